/**
 * The models of this browser as the page knows them, and the transfers under way. There is one for the whole visit, so going to
 * another part of the page cancels nothing.
 */
import { transfer, type Remote } from 'comlink';
import type { ModelConfig } from '../../engine/types';
import { folderAddress, modelReference, modelTitle, storedAddress } from '../../models/address';
import type { ModelFolder } from '../../models/folder';
import { HUB } from '../../models/hub';
import { forgetFolder, keepFolder, keptFolders, reopenFolder, type KeptFolder } from '../../models/keptFolders';
import type { ModelManifest } from '../../models/manifest';
import type {
  Answer,
  HubLogin,
  Looked,
  ModelOffer,
  ModelServiceApi,
  ModelShelf,
  Refused,
  TransferMessage,
} from '../../models/service';
import { keepStorage } from '../keepStorage';
import { Supervised } from '../../supervision';
import type { LabClient } from '../labClient.svelte';
import { startModelWorker } from '../workers';
import { modelChoices, type SeatChoice } from './choices.svelte';
import { modelLabels } from './labels';

/** Servers may ask to wait for five minutes, and another tab may be at work on the same model; files are hashed in one go. */
const SERVICE_LIMITS = { silent: 30_000, stalled: 900_000 };
/** After this, a transfer that was cancelled is ended. */
const CANCEL_MS = 1_500;
/** Looks at a model's lock, and milliseconds between two of them. */
const LOCK_TRIES = 12;
const LOCK_PAUSE = 500;

/** A download or a copy. */
export interface Transfer {
  /** The model's id in the store; of a folder that is being copied its address. */
  key: string;
  title: string;
  progress: TransferMessage | null;
  /** Why it ended early; null while it goes on. */
  problem: string | null;
  cancel: () => void;
}

/** A folder used where it lies, in this visit. */
export interface ChosenFolder {
  address: string;
  folder: ModelFolder;
  config: ModelConfig;
  bytes: number;
}

/** A folder whose config.json has keys that are not known; the visitor may choose to ignore them. */
export class RefusedFolderError extends Error {
  constructor(
    problem: string,
    readonly keys: readonly string[],
  ) {
    super(problem);
  }
}

export class ModelManager {
  shelf = $state.raw<ModelShelf | null>(null);
  /** Why the models of this browser cannot be listed. */
  trouble = $state.raw<string | null>(null);
  folders = $state.raw<readonly ChosenFolder[]>([]);
  /** Folders of earlier visits, to be opened again; those of `folders` are not among them. */
  kept = $state.raw<readonly KeptFolder[]>([]);
  transfers = $state.raw<readonly Transfer[]>([]);
  /** What is known of the model that was asked for last. */
  offer = $state.raw<ModelOffer | null>(null);
  asking = $state.raw<string | null>(null);
  /** Why there is no offer. */
  refusal = $state.raw<(Refused & { needsToken: boolean }) | null>(null);
  /** Of the hub's account. In memory only: never stored, gone with the page. */
  token = $state('');
  endpoint = $state(HUB);

  readonly #lab: LabClient;
  readonly #service = new Supervised<ModelServiceApi>({
    name: 'model store',
    start: startModelWorker,
    limits: SERVICE_LIMITS,
    onTrouble: (detail) => (this.trouble = detail),
  });
  /** Counts what was asked, so that a slow answer does not replace a later one. */
  #turn = 0;

  constructor(lab: LabClient) {
    this.#lab = lab;
  }

  get login(): HubLogin {
    return { endpoint: this.endpoint.trim() || HUB, token: this.token.trim() || null };
  }

  /** Bytes that this browser would still store; null when it does not say. */
  get freeBytes(): number | null {
    const storage = this.shelf?.storage;
    return storage ? Math.max(0, storage.quotaBytes - storage.usedBytes) : null;
  }

  /** Of products with packed weights on this device; undefined while it is not known. */
  get arithmetic(): 'f32' | 'f16' | undefined {
    return this.#lab.engine?.arithmetic;
  }

  transferOf(key: string): Transfer | undefined {
    return this.transfers.find((one) => one.key === key);
  }

  /** Reads again what this browser has stored. */
  async refresh(): Promise<void> {
    try {
      this.shelf = await this.#service.persist((service) => service.shelf());
      this.trouble = null;
    } catch (error) {
      this.trouble = reason(error);
    }
    await this.#lookForKept();
    this.#offerChoices();
  }

  /** Looks a model up on the hub: `offer` or `refusal` is set. */
  async ask(repo: string, revision = 'main', ignore: readonly string[] = []): Promise<void> {
    const turn = ++this.#turn;
    this.asking = repo;
    this.offer = null;
    this.refusal = null;
    const answer = await this.#service
      .persist(async (service): Promise<Answer> => service.ask(repo, revision, this.login, ignore))
      .catch((error: unknown) => ({ problem: reason(error), keys: [], needsToken: false }));
    if (turn !== this.#turn) return;
    this.asking = null;
    if ('offer' in answer) this.offer = answer.offer;
    else this.refusal = answer;
    if (this.shelf === null) await this.refresh();
  }

  closeOffer(): void {
    this.#turn++;
    this.asking = this.offer = this.refusal = null;
  }

  /** Downloads what is missing of a model. */
  async download(manifest: ModelManifest): Promise<void> {
    void keepStorage();
    const login = this.login;
    await this.#carry(manifest.id, manifest.repo, (service, port) => service.download(manifest, login, port));
  }

  /**
   * Makes a folder usable in this visit. @throws with a reason for people when it holds no usable model, RefusedFolderError
   * @param handle kept for later visits; null where the browser has none
   * @param ignore keys of config.json to be left out
   */
  async choose(
    folder: ModelFolder,
    handle: FileSystemDirectoryHandle | null = null,
    ignore: readonly string[] = [],
  ): Promise<ChosenFolder> {
    const found = await this.#service.persist(async (service): Promise<Looked> => service.look(folder, ignore));
    if ('problem' in found) throw new RefusedFolderError(found.problem, found.keys);
    const { config, bytes } = found;
    const address = await this.#lab.addFolder(folder);
    const chosen = { address, folder, config, bytes };
    this.folders = [chosen, ...this.folders.filter((one) => one.address !== address)];
    // A convenience: without it the folder is chosen again.
    if (handle) await keepFolder({ name: folder.name, handle, ignore: [...ignore] }).catch(() => {});
    await this.#lookForKept();
    this.#offerChoices();
    return chosen;
  }

  /** Chooses a folder of an earlier visit. Call it on a click. @throws with a reason for people */
  async reopen(kept: KeptFolder): Promise<void> {
    await this.choose(await reopenFolder(kept), kept.handle, kept.ignore);
  }

  /** Takes a folder of an earlier visit off the list. */
  async forget({ name }: KeptFolder): Promise<void> {
    await forgetFolder(name);
    await this.#lookForKept();
  }

  /** Copies a folder into this browser, where it survives a reload. */
  async copy({ folder, config }: ChosenFolder): Promise<void> {
    void keepStorage();
    await this.#carry(folderAddress(folder.name), folder.name, (service, port) =>
      service.copyFolder(folder, port, config.ignored),
    );
  }

  /** Copies a folder's files in ONNX, in one format, for seats on transformers.js. */
  async copyOnnx(folder: ModelFolder, format: string): Promise<void> {
    void keepStorage();
    await this.#carry(`${folderAddress(folder.name)}/onnx`, `${folder.name}, ONNX in ${format}`, (service, port) =>
      service.copyOnnx(folder, format, port),
    );
  }

  /** Deletes a stored model. Rejects with a reason for people. */
  async remove(id: string): Promise<void> {
    await this.#service.call((service) => service.remove(id));
    this.transfers = this.transfers.filter(({ key }) => key !== id);
    await this.refresh();
  }

  /** Shape of a stored model. */
  config(id: string): Promise<ModelConfig> {
    return this.#service.persist((service) => service.config(id));
  }

  /** Why the model of an address cannot be run with these keys left out; null when it can, or when it is not a stored one. */
  async check(address: string, ignore: readonly string[]): Promise<Refused | null> {
    const reference = modelReference(address);
    if (reference.kind !== 'stored') return null;
    return this.#service.persist((service) => service.check(reference.id, [...ignore]));
  }

  dismiss(key: string): void {
    this.transfers = this.transfers.filter((one) => one.key !== key);
  }

  /**
   * Does a transfer, and shows it. When its worker fails it goes on in another one, from what is stored by then. Cancel ends the
   * worker where it does not listen; other transfers go on in the next.
   */
  async #carry(
    key: string,
    title: string,
    work: (service: Remote<ModelServiceApi>, port: MessagePort) => Promise<unknown>,
  ): Promise<void> {
    if (this.transferOf(key)?.problem === null) return;
    let cancelled = false;
    let port: MessagePort | null = null;
    let done = 0;
    const cancel = () => {
      cancelled = true;
      port?.postMessage('cancel');
      this.#service.endUnless(carried, CANCEL_MS);
    };
    const put = (change: Partial<Transfer>) => {
      const others = this.transfers.filter((one) => one.key !== key);
      const before = this.transferOf(key) ?? { key, title, progress: null, problem: null, cancel };
      this.transfers = [...others, { ...before, ...change }];
    };
    put({ progress: null, problem: null, cancel });
    let attempts = 0;
    const attempt = async (service: Remote<ModelServiceApi>): Promise<unknown> => {
      attempts++;
      const { port1, port2 } = new MessageChannel();
      port = port1;
      port1.onmessage = (event: MessageEvent<TransferMessage>) => {
        done = Math.max(done, event.data.doneBytes);
        put({ progress: event.data });
      };
      try {
        return await work(service, transfer(port2, [port2]));
      } catch (error) {
        // The lock of a worker that was ended is free a moment later.
        if (attempts === 1 || attempts > LOCK_TRIES || !(error instanceof Error) || error.name !== 'ModelBusyError')
          throw error;
        await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE));
        return attempt(service);
      } finally {
        port1.onmessage = null;
        port1.close();
      }
    };
    const carried = this.#service.persist(attempt, { done: () => done, stopped: () => cancelled });
    try {
      await carried;
      this.dismiss(key);
      if (this.offer?.manifest.id === key) this.closeOffer();
    } catch (error) {
      if (cancelled) this.dismiss(key);
      else put({ problem: reason(error) });
    } finally {
      await this.refresh();
    }
  }

  async #lookForKept(): Promise<void> {
    const kept = await keptFolders().catch(() => []);
    this.kept = kept.filter(({ name }) => !this.folders.some(({ folder }) => folder.name === name));
  }

  #offerChoices(): void {
    modelChoices.onnx = (this.shelf?.models ?? []).flatMap(({ id, complete, manifest }) =>
      complete && manifest?.seat?.runtime === 'transformers' ? seatChoice(id) : [],
    );
    const stored = (this.shelf?.models ?? [])
      // Files for other runtimes are none that the engine can run.
      .filter(({ complete, manifest }) => complete && !manifest?.seat)
      .map(({ id, manifest }) => ({ address: storedAddress(id), ignore: manifest?.ignore }));
    const folders = this.folders.map(({ address, config }) => ({ address, ignore: config.ignored }));
    const all = [...folders, ...stored];
    const labels = modelLabels(all.map(({ address }) => address));
    modelChoices.others = all.map(({ address, ignore }, i) => ({
      address,
      label: labels[i] as string,
      ...(ignore && { ignore }),
    }));
  }
}

/** A stored model in ONNX as a seat names it: its format stands behind its id. */
function seatChoice(id: string): SeatChoice {
  const [, format = 'fp32'] = /\+onnx\.(\w+)$/.exec(id) ?? [];
  return { model: `${storedAddress(id)}#wasm/${format}`, label: `${modelTitle(storedAddress(id))}, ${format}` };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

let manager: ModelManager | null = null;

/** The visit's one manager, with a worker of its own. */
export function modelManager(lab: LabClient): ModelManager {
  return (manager ??= new ModelManager(lab));
}
