/** The page's end of the lab: starts the workers and sends commands. What comes back is kept as state (`LabNews`). */
import { transfer } from 'comlink';
import type { DeviceSpeed, EngineChoice, ModelCheck, ModelCheckRequest, ProblemsSummary, StepUnit } from '../lab/types';
import type { MemoryPlan } from '../engine/types';
import type { LoadProgress } from '../lab/host/engineHost';
import { LabKeeper } from '../lab/host/labKeeper';
import type { ModelFolder } from '../models/folder';
import type { RunConfig } from '../recipes/config';
import type { KeepAdapters } from '../store/keep';
import type { ProblemsEntry, RunCondition, RunRecord } from '../store/types';
import { download } from './download';
import { keepStorage } from './keepStorage';
import { LabNews } from './labNews.svelte';
import { RunView } from './runView.svelte';
import { pageFolder, startEngineWorker, startLabWorker } from './workers';

export class LabClient extends LabNews {
  /** Whether the browser promised to keep the stored runs; null before it was asked. */
  persisted = $state.raw<boolean | null>(null);

  readonly #lab: LabKeeper;

  constructor() {
    const keeper = new LabKeeper({
      startEngine: startEngineWorker,
      startLab: startLabWorker,
      base: pageFolder(),
      hear: (message) => this.hear(message),
    });
    super({
      runs: () => keeper.read((lab) => lab.runs()),
      run: (id) => keeper.read((lab) => lab.run(id)),
      lines: (id, from, to) => keeper.read((lab) => lab.lines(id, from, to)),
    });
    this.#lab = keeper;
    void this.#look();
  }

  start(config: RunConfig, engine: EngineChoice, keep: KeepAdapters): Promise<void> {
    return this.#attempt(async () => {
      this.#keepStorage();
      const record = await this.#lab.start(config, engine, keep);
      this.follow(new RunView(record));
    });
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
  async plan(config: RunConfig): Promise<MemoryPlan> {
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

  /** What a stored run takes, measured. Rejects with a reason for people. */
  async condition(runId: string): Promise<RunCondition> {
    return this.#lab.read((lab) => lab.condition(runId));
  }

  /** Deletes adapters of a run that the choice does not keep. Rejects with a reason for people. */
  async thin(runId: string, keep: KeepAdapters): Promise<RunCondition> {
    return this.#lab.call((lab) => lab.thin(runId, keep));
  }

  /** Offers the run's zip as a download. */
  download(run: RunRecord): Promise<void> {
    return this.#attempt(async () => {
      const bytes = await this.#lab.call((lab) => lab.bundle(run.id));
      const blob = new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/zip' });
      download(`polylogue-${run.name.replaceAll(' ', '-')}.zip`, blob);
    });
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
