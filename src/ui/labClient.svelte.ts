/** The page's end of the lab: starts the workers and sends commands. What comes back is kept as state (`LabNews`). */
import { transfer } from 'comlink';
import type {
  CheckProgress,
  CheckReport,
  CheckRequest,
  DeviceSpeed,
  EngineChoice,
  ExportRequest,
  ModelCheck,
  ModelCheckRequest,
  ProblemsSummary,
  RepeatVerdict,
  StepUnit,
  RunMemory,
} from '../lab/types';
import type { AdapterWeights } from '../engine/types';
import type { LoadProgress } from '../lab/host/engineHost';
import { LabKeeper } from '../lab/host/labKeeper';
import type { ModelFolder } from '../models/folder';
import type { EpisodeKey } from '../events';
import type { RunConfig } from '../recipes/config';
import { serversOf, type Contact } from '../recipes/seats';
import { PAGE_TEMPLATE, type ExportKind } from '../share/exports/kinds';
import { fileName } from '../share/exports/names';
import type { Shown } from '../recipes/human';
import type { KeepAdapters } from '../store/keep';
import type { ProblemsEntry, Repeated, RunCondition, RunRecord } from '../store/types';
import { download } from './download';
import { keepStorage } from './keepStorage';
import { LabNews } from './labNews.svelte';
import { RecordedRuns } from './recorded/runs.svelte';
import { RunView } from './runView.svelte';
import { pageFolder, startEngineWorker, startLabWorker } from './workers';

export class LabClient extends LabNews {
  /** Whether the browser promised to keep the stored runs; null before it was asked. */
  persisted = $state.raw<boolean | null>(null);

  /** Runs that come with the site. */
  readonly recorded: RecordedRuns;

  /** Origins that the visitor allowed in this visit: those of servers and of files. */
  allowed = $state.raw<readonly string[]>([]);
  /** Of those, the ones that get prompts. */
  prompted = $state.raw<readonly string[]>([]);

  /** Seed of every run that is started here, fixed by a lesson; null = as the settings have it. */
  fixedSeed = $state<number | null>(null);

  readonly #lab: LabKeeper;

  constructor() {
    const recorded = new RecordedRuns(pageFolder());
    const keeper = new LabKeeper({
      startEngine: startEngineWorker,
      startLab: startLabWorker,
      base: pageFolder(),
      hear: (message) => this.hear(message),
    });
    super({
      runs: () => keeper.read((lab) => lab.runs()),
      run: (id) => (recorded.has(id) ? recorded.run(id) : keeper.read((lab) => lab.run(id))),
      lines: (id, from, to) =>
        recorded.has(id) ? recorded.lines(id, from, to) : keeper.read((lab) => lab.lines(id, from, to)),
    });
    this.recorded = recorded;
    this.#lab = keeper;
    void this.#look();
  }

  /** @param repeats what the run is compared with when it is finished */
  start(config: RunConfig, engine: EngineChoice, keep: KeepAdapters, repeats?: Repeated): Promise<void> {
    return this.#attempt(async () => {
      this.#keepStorage();
      const seeded = this.fixedSeed === null || repeats ? config : { ...config, seed: this.fixedSeed };
      const record = await this.#lab.start(seeded, engine, keep, repeats);
      this.follow(new RunView(record));
    });
  }

  /** Starts a run that repeats a finished one. */
  runAgain(runId: string, engine: EngineChoice): Promise<void> {
    return this.#attempt(async () => {
      this.#keepStorage();
      const record = await this.#lab.runAgain(runId, engine);
      this.follow(new RunView(record));
    });
  }

  /** Checks a finished run. Rejects with a reason for people. */
  async checkRun(request: CheckRequest, onProgress: (progress: CheckProgress) => void): Promise<CheckReport> {
    const { port1: port, port2 } = new MessageChannel();
    port.onmessage = (event: MessageEvent<CheckProgress>) => onProgress(event.data);
    try {
      return await this.#lab.call((lab) => lab.checkRun(request, transfer(port2, [port2])));
    } finally {
      port.close();
    }
  }

  /** How far a finished run repeats another one. Rejects with a reason for people. */
  async verdictOn(runId: string): Promise<RepeatVerdict> {
    return this.#lab.read((lab) => lab.verdict(runId));
  }

  /** Goes on with a paused run, or one that was interrupted, stopped or failed. */
  resume(runId: string, engine: EngineChoice): Promise<void> {
    return this.#attempt(async () => {
      if (this.views.working?.record.id === runId) {
        await this.#lab.resume(runId, engine);
        return;
      }
      this.#keepStorage();
      const view = await this.views.read(runId);
      await this.#lab.resume(runId, engine);
      this.follow(view);
    });
  }

  /** A site may be asked in this visit. @param key kept in memory only */
  allowEndpoint(origin: string, key: string | null, gets: Contact['gets']): Promise<void> {
    return this.#attempt(async () => {
      await this.#lab.allowEndpoint(origin, key);
      if (gets === 'prompts' && !this.prompted.includes(origin)) this.prompted = [...this.prompted, origin];
      if (!this.allowed.includes(origin)) this.allowed = [...this.allowed, origin];
    });
  }

  /** Of these origins, those that were allowed, with their keys: for a worker beside the lab's, and in memory only. */
  keysOf(origins: readonly string[]): [origin: string, key: string | null][] {
    return this.#lab.endpoints.filter(([origin]) => origins.includes(origin));
  }

  /** Origins of a configuration's servers that were not allowed in this visit. */
  unasked(config: RunConfig): string[] {
    return serversOf(config).filter((origin) => !this.allowed.includes(origin));
  }

  pause(): Promise<void> {
    return this.#attempt(() => this.#lab.call((lab) => lab.pause()));
  }

  /** This device's speed with the configuration's model. Rejects with a reason for people. */
  async measure(config: RunConfig, engine: EngineChoice): Promise<DeviceSpeed> {
    return this.#lab.call((lab) => lab.measure(config, engine));
  }

  /** Reads a file of problems with a task and keeps it in this browser. Rejects with what is wrong, and in which line. */
  async keepProblems(
    task: string,
    name: string,
    bytes: Uint8Array,
    expected?: { name: string; sha256: string },
  ): Promise<ProblemsSummary> {
    return this.#lab.call((lab) => lab.keepProblems(task, name, transfer(bytes, [bytes.buffer]), expected));
  }

  /** Reads a kept file again. Rejects as `keepProblems`. */
  async readProblems(task: string, sha256: string): Promise<ProblemsSummary> {
    return this.#lab.read((lab) => lab.readProblems(task, sha256));
  }

  /** Files of problems in this browser, newest first. */
  async problemFiles(): Promise<ProblemsEntry[]> {
    return this.#lab.read((lab) => lab.problemFiles());
  }

  deleteProblems(sha256: string): Promise<void> {
    return this.#attempt(() => this.#lab.call((lab) => lab.deleteProblems(sha256)));
  }

  /** Goes on until the next unit is done, and holds there. */
  step(unit: StepUnit): Promise<void> {
    return this.#attempt(() => this.#lab.call((lab) => lab.step(unit)));
  }

  /** Milliseconds that each part of the loop stays on show; 0 = full speed. */
  setPace(milliseconds: number): Promise<void> {
    return this.#attempt(() => this.#lab.setPace(milliseconds));
  }

  /** A person's pick of the pair on show. */
  pick(at: EpisodeKey, shown: Shown): Promise<void> {
    return this.#attempt(() => this.#lab.call((lab) => lab.pick(at, shown)));
  }

  stop(): Promise<void> {
    return this.#attempt(() => this.#lab.stop());
  }

  /** Puts a run on show; a stored log is read in slices and drawn as far as it is read. */
  open(runId: string): Promise<void> {
    return this.#attempt(() => this.views.open(runId));
  }

  /** Lays a run under the one on show; null takes it away. */
  pin(runId: string | null): Promise<void> {
    return this.#attempt(() => this.views.pin(runId));
  }

  /** Puts runs beside each other, in this order. */
  compare(runIds: readonly string[]): Promise<void> {
    return this.#attempt(() => this.views.compare(runIds));
  }

  /** Bytes that a run takes on a device. Rejects with a reason for people. */
  async plan(config: RunConfig): Promise<RunMemory> {
    return this.#lab.read((lab) => lab.plan(config));
  }

  /** Loads a model and says how it does on this device. Rejects with a reason for people. */
  async checkModel(request: ModelCheckRequest, onProgress: (progress: LoadProgress) => void): Promise<ModelCheck> {
    const { port1: port, port2 } = new MessageChannel();
    port.onmessage = (event: MessageEvent<LoadProgress>) => onProgress(event.data);
    try {
      return await this.#lab.call((lab) => lab.checkModel(request, transfer(port2, [port2])));
    } finally {
      port.close();
    }
  }

  /** Makes a folder that the visitor chose usable in this visit; resolves with its address. Rejects with a reason for people. */
  async addFolder(folder: ModelFolder): Promise<string> {
    return this.#lab.addFolder(folder);
  }

  rename(runId: string, name: string): Promise<void> {
    return this.#attempt(async () => this.putRecord(await this.#lab.call((lab) => lab.rename(runId, name))));
  }

  /** The page may be closed or frozen: what is not stored yet is. */
  async flush(): Promise<void> {
    // A failure is reported by the run's own next write.
    if (this.status.state !== 'idle') await this.#lab.call((lab) => lab.flush()).catch(() => {});
  }

  delete(runId: string): Promise<void> {
    return this.#attempt(() => this.#lab.call((lab) => lab.delete(runId)));
  }

  /** An adapter as it was after an iteration. Rejects with a reason for people. */
  async adapter(runId: string, iteration: number, name: string): Promise<AdapterWeights> {
    return this.#lab.read((lab) => lab.adapter(runId, iteration, name));
  }

  /** What a stored run takes, measured. Rejects with a reason for people. */
  async condition(runId: string): Promise<RunCondition> {
    return this.#lab.read((lab) => lab.condition(runId));
  }

  /** Deletes adapters of a run that the choice does not keep. Rejects with a reason for people. */
  async thin(runId: string, keep: KeepAdapters): Promise<RunCondition> {
    return this.#lab.call((lab) => lab.thin(runId, keep));
  }

  /** Stores a run from a file and puts it on show. Resolves with what is not as it was; rejects with a reason for people. */
  async importRun(file: File): Promise<string[]> {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const { run, notes } = await this.#lab.call((lab) => lab.importRun(file.name, transfer(bytes, [bytes.buffer])));
    this.putRecord(run);
    await this.open(run.id);
    return notes;
  }

  /** Stores a copy of a recorded run, and puts it on show. */
  keepRecorded(id: string): Promise<void> {
    return this.#attempt(async () => void (await this.importRun(await this.recorded.file(id))));
  }

  /** The fragment of a run's link; null where no link holds a recorded run. Rejects with a reason for people. */
  async linkOf(runId: string): Promise<string | null> {
    if (!this.recorded.has(runId)) return this.#lab.read((lab) => lab.link(runId));
    const [{ linkOfRun }, { record, events }] = await Promise.all([
      import('../share/runLink'),
      this.recorded.view(runId),
    ]);
    return linkOfRun(events, { digest: record.digest });
  }

  /** Offers the run's zip as a download. */
  download(run: RunRecord): Promise<void> {
    return this.#attempt(async () => {
      const bytes = await this.#lab.call((lab) => lab.bundle(run.id));
      const blob = new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/zip' });
      download(fileName(`polylogue ${run.name}`, 'zip'), blob);
    });
  }

  /** Offers the run for other programs as a download. Rejects with a reason for people. */
  async export(run: RunRecord, kind: ExportKind): Promise<void> {
    const request: ExportRequest =
      kind === 'page' ? { kind, template: await pageTemplate(), site: pageFolder() } : { kind };
    const { name, type, bytes } = await this.#lab.call((lab) => lab.exported(run.id, request));
    download(name, new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
  }

  /** Looks at what is stored, and at the device. */
  async #look(): Promise<void> {
    try {
      await this.refresh();
      this.engine = await this.#lab.read((lab) => lab.probe());
    } catch (error) {
      this.fail(error);
    }
  }

  /** Asks that stored runs be kept when space gets scarce. */
  #keepStorage(): void {
    void keepStorage().then((kept) => (this.persisted = kept ?? false));
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    this.error = null;
    try {
      await work();
    } catch (error) {
      this.fail(error);
    }
  }
}

/** The page of one run, without the run. @throws Error with a reason for people */
async function pageTemplate(): Promise<string> {
  const response = await fetch(`${pageFolder()}${PAGE_TEMPLATE}`).catch(() => null);
  if (response?.ok) return response.text();
  throw new Error(
    `The page cannot be written: this site's file ${PAGE_TEMPLATE} ${response ? `was answered with ${response.status}` : 'cannot be loaded'}. Try again.`,
  );
}
