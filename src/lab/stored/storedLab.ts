/** The part of the lab that keeps: stored runs, and files of problems. */
import type { AdapterWeights } from '../../engine/types';
import { receiptOf } from '../../log/receipt';
import { encodeLink, linkOf } from '../../share/link';
import { bundleRun } from '../../share/writeBundle';
import { RunNotFoundError } from '../../store/errors';
import { thinRun, type KeepAdapters } from '../../store/keep';
import type { ProblemsEntry, RunCondition, RunPatch, RunRecord, RunStore } from '../../store/types';
import { DamageCheck } from './damage';
import { exportedRun } from './exported';
import { LabBusyError, LabStateError } from '../errors';
import { keepProblems, readKeptProblems } from '../setup/problems';
import { repeatVerdict } from './repeated';
import { runName, storedRuns } from './runs';
import type { ExportedFile, ExportRequest, LabMessage, ProblemsSummary, RepeatVerdict, StoredRuns } from '../types';

export abstract class StoredLab {
  readonly #open: () => Promise<RunStore>;
  readonly #damage = new DamageCheck();
  #store: Promise<RunStore> | null = null;
  /** What could not be recorded of runs that failed because their store did. */
  readonly #unsettled = new Map<string, RunPatch>();

  constructor(open: () => Promise<RunStore>) {
    this.#open = open;
  }

  /** The run that this lab works on. */
  protected abstract readonly atWork: RunRecord | null;
  /** To the page and to other tabs. */
  protected abstract tell(message: LabMessage): void;
  /** Whether another tab is at work. */
  protected abstract busyElsewhere(): Promise<boolean>;

  async runs(): Promise<StoredRuns> {
    const own = (): string | undefined => this.atWork?.id;
    const store = await this.openStore();
    await this.#settleAll(store);
    return storedRuns(store, this.#damage, own, () => this.busyElsewhere());
  }

  async run(runId: string): Promise<RunRecord> {
    return (await this.openStore()).run(runId);
  }

  async lines(runId: string, from: number, to: number): Promise<string[]> {
    return (await this.openStore()).lines(runId, from, to);
  }

  async rename(runId: string, name: string): Promise<RunRecord> {
    const run = await (await this.openStore()).update(runId, { name: runName(name) });
    this.tell({ type: 'run', run });
    return run;
  }

  async delete(runId: string): Promise<void> {
    if (this.atWork?.id === runId) throw new LabBusyError('This run is at work. Stop it before deleting it.');
    await (await this.openStore()).delete(runId);
    this.tell({ type: 'deleted', runId });
  }

  async adapter(runId: string, iteration: number, name: string): Promise<AdapterWeights> {
    const store = await this.openStore();
    // Where several jobs of an iteration trained it, the last one counts.
    const kept = (await store.adapters(runId)).findLast((one) => one.iteration === iteration && one.name === name);
    if (!kept) throw new LabStateError('The matrices of this iteration were not kept in this browser.');
    return store.adapter(runId, kept);
  }

  async condition(runId: string): Promise<RunCondition> {
    return (await this.openStore()).condition(runId);
  }

  async thin(runId: string, keep: KeepAdapters): Promise<RunCondition> {
    if (this.atWork?.id === runId) throw new LabBusyError('This run is at work. Stop it before thinning it.');
    const store = await this.openStore();
    const { name, status } = await store.run(runId);
    if (status !== 'finished')
      throw new LabStateError(
        `The run ${name} has not finished, and goes on from its adapters. Finish it first, or delete it.`,
      );
    await thinRun(store, runId, keep);
    return store.condition(runId);
  }

  async keepProblems(
    task: string,
    name: string,
    bytes: Uint8Array,
    expected?: { name: string; sha256: string },
  ): Promise<ProblemsSummary> {
    return keepProblems(await this.openStore(), task, name, bytes, expected);
  }

  async readProblems(task: string, sha256: string): Promise<ProblemsSummary> {
    return readKeptProblems(await this.openStore(), task, sha256);
  }

  async problemFiles(): Promise<ProblemsEntry[]> {
    return (await this.openStore()).problemFiles();
  }

  async deleteProblems(sha256: string): Promise<void> {
    const reading = this.atWork;
    if (reading?.config.data?.sha256 === sha256)
      throw new LabBusyError(`The run ${reading.name} is at work with this file. Stop it before deleting the file.`);
    await (await this.openStore()).deleteProblems(sha256);
  }

  async link(runId: string): Promise<string> {
    const store = await this.openStore();
    const { config, digest, status } = await store.run(runId);
    const events = await store.events(runId);
    const [started] = events;
    return encodeLink(
      linkOf(config, {
        ...(started?.type === 'run-started' && { started }),
        ...(status === 'finished' && { receipt: receiptOf(events, digest) }),
      }),
    );
  }

  async verdict(runId: string): Promise<RepeatVerdict> {
    const store = await this.openStore();
    return repeatVerdict(store, await store.run(runId));
  }

  async bundle(runId: string): Promise<Uint8Array> {
    return bundleRun(await this.openStore(), runId);
  }

  async exported(runId: string, request: ExportRequest): Promise<ExportedFile> {
    return exportedRun(await this.openStore(), runId, request);
  }

  protected openStore(): Promise<RunStore> {
    this.#store ??= this.#open().catch((error) => {
      this.#store = null;
      throw error;
    });
    return this.#store;
  }

  /** Keeps with a run how it ended. Where the store cannot take it, it is kept here until runs are listed next. */
  protected async settle(run: RunRecord, patch: RunPatch): Promise<RunRecord> {
    try {
      return await (await this.openStore()).update(run.id, patch);
    } catch {
      this.#unsettled.set(run.id, patch);
      return { ...run, ...patch };
    }
  }

  async #settleAll(store: RunStore): Promise<void> {
    for (const [id, patch] of this.#unsettled) {
      // Deleted meanwhile, perhaps.
      await store.update(id, patch).catch((error: unknown) => {
        if (!(error instanceof RunNotFoundError)) throw error;
      });
      this.#unsettled.delete(id);
    }
  }
}
