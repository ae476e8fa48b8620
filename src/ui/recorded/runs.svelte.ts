/** The recorded runs of the site: listed and loaded when they are wanted, shown like stored runs, written nowhere. */
import { readableEvents } from '../../store/readBack';
import type { RecordedEntry } from '../../share/recorded';
import { RECORDED_FOLDER, RECORDED_INDEX, isRecordedId, recordedFile, recordedId } from '../../share/recordedNames';
import type { RunRecord } from '../../store/types';
import { RunView } from '../runView.svelte';

interface Loaded {
  record: RunRecord;
  lines: string[];
}

export class RecordedRuns {
  /** Empty before the list is read, and where the site has none. */
  entries = $state.raw<readonly RecordedEntry[]>([]);

  readonly #base: string;
  #listing: Promise<readonly RecordedEntry[]> | null = null;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nobody draws what is being loaded
  readonly #loading = new Map<string, Promise<Loaded>>();

  /** @param base the page's address */
  constructor(base: string) {
    this.#base = base;
  }

  /** Reads the list, once. Rejects with a reason for people. */
  list(): Promise<readonly RecordedEntry[]> {
    this.#listing ??= this.#readList().catch((error: unknown) => {
      // The next call tries again.
      this.#listing = null;
      throw error;
    });
    return this.#listing;
  }

  async #readList(): Promise<readonly RecordedEntry[]> {
    const [format, bytes] = await Promise.all([import('../../share/recorded'), this.#fetch(RECORDED_INDEX)]);
    this.entries = format.readRecordedIndex(new TextDecoder().decode(bytes)).runs;
    return this.entries;
  }

  has(id: string): boolean {
    return isRecordedId(id);
  }

  async run(id: string): Promise<RunRecord> {
    return (await this.#load(id)).record;
  }

  /** As `LabApi.lines`. */
  async lines(id: string, from: number, to: number): Promise<string[]> {
    return (await this.#load(id)).lines.slice(from, to);
  }

  /** The log as a file, to be kept. */
  async file(id: string): Promise<File> {
    const { record, lines } = await this.#load(id);
    return new File([lines.join('\n') + '\n'], `${record.name}.jsonl`);
  }

  /** A view with the whole log. */
  async view(id: string): Promise<RunView> {
    const { record, lines } = await this.#load(id);
    const view = new RunView(record);
    view.append(0, readableEvents(lines).events);
    view.publish();
    return view;
  }

  #load(id: string): Promise<Loaded> {
    let loading = this.#loading.get(id);
    if (!loading) {
      loading = this.#read(id).catch((error: unknown) => {
        this.#loading.delete(id);
        throw error;
      });
      this.#loading.set(id, loading);
    }
    return loading;
  }

  async #read(id: string): Promise<Loaded> {
    const format = await import('../../share/recorded');
    const entry = (await this.list()).find((one) => recordedId(one) === id);
    if (!entry) throw new Error('This site has no such recorded run. The list is under Runs.');
    const lines = format.recordedLines(entry, await this.#fetch(recordedFile(entry)));
    return { record: format.recordedRecord(entry, lines), lines };
  }

  async #fetch(file: string): Promise<Uint8Array> {
    const response = await fetch(`${this.#base}${RECORDED_FOLDER}/${file}`).catch(() => null);
    if (!response?.ok)
      throw new Error(
        `The recorded runs cannot be loaded (${response ? `${file}: ${response.status}` : 'no connection'}). Try again.`,
      );
    return new Uint8Array(await response.arrayBuffer());
  }
}
