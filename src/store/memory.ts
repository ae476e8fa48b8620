/** A run store in memory: for the command line, and for comparing with IndexedDB's in tests. */
import type { AdapterWeights } from '../engine/types';
import type { EvaluationDone, RunEvent } from '../events';
import {
  LogConflictError,
  ProblemsMissingError,
  RunNotFoundError,
  StoredRunError,
  StoreUnavailableError,
} from './errors';
import type {
  Checkpoint,
  LogBatch,
  ProblemsEntry,
  RunCondition,
  RunPatch,
  RunRecord,
  RunStore,
  StoredAdapter,
  StoredProblems,
  WholeRun,
} from './types';
import { adapterKey, type AdapterName } from './keep';
import { problemsEntries } from './problems';
import { adapterBytes, damageOf } from './readBack';

interface StoredRun {
  record: RunRecord;
  events: RunEvent[];
  adapters: Map<string, StoredAdapter>;
  checkpoints: Map<number, Checkpoint>;
}

export class MemoryRunStore implements RunStore {
  #runs = new Map<string, StoredRun>();
  #problems = new Map<string, StoredProblems>();

  async create(run: RunRecord): Promise<void> {
    if (this.#runs.has(run.id)) throw new StoreUnavailableError(`There is already a run ${run.id}.`);
    this.#runs.set(run.id, { record: { ...run }, events: [], adapters: new Map(), checkpoints: new Map() });
  }

  async append(runId: string, batch: LogBatch): Promise<RunRecord> {
    const run = this.#find(runId);
    if (batch.from !== run.events.length) throw new LogConflictError(runId, batch.from, run.events.length);
    for (const event of batch.events) run.events.push(event);
    for (const adapter of batch.adapters ?? []) run.adapters.set(keyOf(adapter), adapter);
    if (batch.checkpoint) run.checkpoints.set(batch.checkpoint.iteration, batch.checkpoint);
    run.record = {
      ...run.record,
      updated: Date.now(),
      events: run.events.length,
      digest: batch.digest,
      progress: batch.progress,
    };
    return { ...run.record };
  }

  async rewrite({ record, events, adapters, checkpoints, problems }: WholeRun): Promise<RunRecord> {
    this.#runs.set(record.id, {
      record: { ...record },
      events: [...events],
      adapters: new Map(adapters.map((adapter) => [keyOf(adapter), adapter])),
      checkpoints: new Map(checkpoints.map((checkpoint) => [checkpoint.iteration, checkpoint])),
    });
    if (problems) this.#problems.set(problems.sha256, { ...problems });
    return { ...record };
  }

  async update(runId: string, patch: RunPatch): Promise<RunRecord> {
    const run = this.#find(runId);
    run.record = { ...run.record, ...patch, updated: Date.now() };
    return { ...run.record };
  }

  async run(runId: string): Promise<RunRecord> {
    return { ...this.#find(runId).record };
  }

  async runs(): Promise<RunRecord[]> {
    return [...this.#runs.values()].map((run) => ({ ...run.record })).sort((a, b) => b.created - a.created);
  }

  async events(runId: string): Promise<RunEvent[]> {
    return [...this.#find(runId).events];
  }

  async lines(runId: string, from = 0, to = Infinity): Promise<string[]> {
    return this.#find(runId)
      .events.slice(from, to)
      .map((event) => JSON.stringify(event));
  }

  async adapter(runId: string, wanted: AdapterName): Promise<AdapterWeights> {
    const adapter = this.#find(runId).adapters.get(keyOf(wanted));
    if (!adapter)
      throw new StoredRunError(`Run ${runId} holds no adapter ${wanted.name} of iteration ${wanted.iteration}.`);
    return adapter.weights;
  }

  async adapters(runId: string): Promise<AdapterName[]> {
    return [...this.#find(runId).adapters.values()]
      .map(({ name, iteration, job }) => ({ name, iteration, job }))
      .sort((a, b) => a.iteration - b.iteration || (adapterKey(a) < adapterKey(b) ? -1 : 1));
  }

  async deleteAdapters(runId: string, adapters: readonly AdapterName[]): Promise<void> {
    const held = this.#runs.get(runId)?.adapters;
    for (const adapter of adapters) held?.delete(keyOf(adapter));
  }

  async condition(runId: string): Promise<RunCondition> {
    const { record, adapters } = this.#find(runId);
    const lines = await this.lines(runId);
    const sizes = [];
    for (const adapter of await this.adapters(runId)) {
      const held = adapters.get(keyOf(adapter));
      if (held) sizes.push({ ...adapter, bytes: adapterBytes(held.weights) });
    }
    const logBytes = lines.reduce((sum, line) => sum + line.length, 0);
    return { logBytes, adapters: sizes, damage: damageOf(record, lines) };
  }

  async evaluations(runId: string): Promise<EvaluationDone[]> {
    return this.#find(runId).events.filter((event) => event.type === 'evaluation');
  }

  async checkpoints(runId: string): Promise<Checkpoint[]> {
    return [...this.#find(runId).checkpoints.values()].sort((a, b) => a.iteration - b.iteration);
  }

  async delete(runId: string): Promise<void> {
    const { data } = this.#find(runId).record.config;
    this.#runs.delete(runId);
    const needed = [...this.#runs.values()].some(({ record }) => record.config.data?.sha256 === data?.sha256);
    if (data && !needed) this.#problems.delete(data.sha256);
  }

  async putProblems(file: StoredProblems): Promise<void> {
    this.#problems.set(file.sha256, { ...file });
  }

  async problems(sha256: string): Promise<StoredProblems> {
    const file = this.#problems.get(sha256);
    if (!file) throw new ProblemsMissingError(sha256);
    return { ...file };
  }

  async problemFiles(): Promise<ProblemsEntry[]> {
    return problemsEntries([...this.#problems.values()], await this.runs());
  }

  async deleteProblems(sha256: string): Promise<void> {
    this.#problems.delete(sha256);
  }

  close(): void {}

  #find(runId: string): StoredRun {
    const run = this.#runs.get(runId);
    if (!run) throw new RunNotFoundError(runId);
    return run;
  }
}

function keyOf(adapter: AdapterName): string {
  return `${adapter.iteration}/${adapterKey(adapter)}`;
}
