/** The run store of the browser, on IndexedDB. Every method is one transaction: it happens whole or not at all. */
import type { AdapterWeights } from '../engine/types';
import type { EvaluationDone, RunEvent } from '../events';
import { openDatabase, type Database } from './database';
import {
  LogConflictError,
  ProblemsMissingError,
  RunNotFoundError,
  StoredRunError,
  StorageFullError,
  StoreUnavailableError,
} from './errors';
import { problemsEntries } from './problems';
import type { Checkpoint, LogBatch, ProblemsEntry, RunPatch, RunRecord, RunStore, StoredProblems } from './types';

/** All keys of a run in the stores keyed by [run, …]: arrays sort after numbers and strings. */
const keysOf = (runId: string) => IDBKeyRange.bound([runId], [runId, []]);

const EVERYTHING = ['runs', 'events', 'adapters', 'checkpoints', 'evaluations'] as const;

/**
 * Makes the requests and waits for the transaction. Only `done` is awaited: when the disk is full the single requests
 * fail with a bare AbortError, and the reason is the transaction's. A request that throws at once (a value that cannot be
 * stored) would leave the earlier ones to commit, so it aborts.
 */
async function commit(
  transaction: { done: Promise<void>; abort(): void },
  requests: () => Iterable<Promise<unknown>>,
): Promise<void> {
  const done = transaction.done;
  done.catch(() => {});
  try {
    for (const request of requests()) request.catch(() => {});
  } catch (error) {
    transaction.abort();
    throw error;
  }
  await done;
}

export class IndexedRunStore implements RunStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Opens (or creates, or migrates) the database `name`. */
  static async open(name?: string): Promise<IndexedRunStore> {
    return new IndexedRunStore(await openDatabase(name));
  }

  create(run: RunRecord): Promise<void> {
    return this.#guarded('starting a run', async () => {
      await this.#db.add('runs', run);
    });
  }

  append(runId: string, batch: LogBatch): Promise<RunRecord> {
    return this.#guarded('storing the log', async () => {
      const transaction = this.#db.transaction(EVERYTHING, 'readwrite');
      const runs = transaction.objectStore('runs');
      const record = await runs.get(runId);
      if (!record) throw new RunNotFoundError(runId);
      if (record.events !== batch.from) throw new LogConflictError(runId, batch.from, record.events);
      const next: RunRecord = {
        ...record,
        updated: Date.now(),
        events: batch.from + batch.events.length,
        digest: batch.digest,
        progress: batch.progress,
      };
      await commit(transaction, function* () {
        yield runs.put(next);
        for (const [i, event] of batch.events.entries()) {
          yield transaction.objectStore('events').put(JSON.stringify(event), [runId, batch.from + i]);
          if (event.type === 'evaluation')
            yield transaction.objectStore('evaluations').put(event, [runId, event.iteration, event.team]);
        }
        for (const { name, iteration, weights } of batch.adapters ?? [])
          yield transaction.objectStore('adapters').put(weights, [runId, iteration, name]);
        if (batch.checkpoint)
          yield transaction.objectStore('checkpoints').put(batch.checkpoint, [runId, batch.checkpoint.iteration]);
      });
      return next;
    });
  }

  update(runId: string, patch: RunPatch): Promise<RunRecord> {
    return this.#guarded('updating a run', async () => {
      const transaction = this.#db.transaction('runs', 'readwrite');
      const record = await transaction.store.get(runId);
      if (!record) throw new RunNotFoundError(runId);
      const next = { ...record, ...patch, updated: Date.now() };
      await commit(transaction, () => [transaction.store.put(next)]);
      return next;
    });
  }

  run(runId: string): Promise<RunRecord> {
    return this.#guarded('reading a run', async () => {
      const record = await this.#db.get('runs', runId);
      if (!record) throw new RunNotFoundError(runId);
      return record;
    });
  }

  runs(): Promise<RunRecord[]> {
    return this.#guarded('listing runs', async () => (await this.#db.getAllFromIndex('runs', 'created')).reverse());
  }

  async events(runId: string, from = 0, to = Number.MAX_SAFE_INTEGER): Promise<RunEvent[]> {
    return (await this.lines(runId, from, to)).map((line) => JSON.parse(line) as RunEvent);
  }

  lines(runId: string, from = 0, to = Number.MAX_SAFE_INTEGER): Promise<string[]> {
    return this.#guarded('reading a log', async () => {
      if (to <= from) return [];
      const stored = await this.#db.getAll('events', IDBKeyRange.bound([runId, from], [runId, to], false, true));
      return stored.map((event) => (typeof event === 'string' ? event : JSON.stringify(event)));
    });
  }

  adapter(runId: string, name: string, iteration: number): Promise<AdapterWeights> {
    return this.#guarded('reading an adapter', async () => {
      const weights = await this.#db.get('adapters', [runId, iteration, name]);
      if (!weights) throw new StoredRunError(`Run ${runId} holds no adapter ${name} of iteration ${iteration}.`);
      return weights;
    });
  }

  adapters(runId: string): Promise<{ name: string; iteration: number }[]> {
    return this.#guarded('listing adapters', async () => {
      const keys = await this.#db.getAllKeys('adapters', keysOf(runId));
      return keys.map(([, iteration, name]) => ({ name, iteration }));
    });
  }

  evaluations(runId: string): Promise<EvaluationDone[]> {
    return this.#guarded('reading evaluations', () => this.#db.getAll('evaluations', keysOf(runId)));
  }

  checkpoints(runId: string): Promise<Checkpoint[]> {
    return this.#guarded('reading checkpoints', () => this.#db.getAll('checkpoints', keysOf(runId)));
  }

  delete(runId: string): Promise<void> {
    return this.#guarded('deleting a run', async () => {
      const transaction = this.#db.transaction([...EVERYTHING, 'problems'], 'readwrite');
      const runs = await transaction.objectStore('runs').getAll();
      const run = runs.find(({ id }) => id === runId);
      if (!run) throw new RunNotFoundError(runId);
      const { data } = run.config;
      const needed = runs.some(({ id, config }) => id !== runId && config.data?.sha256 === data?.sha256);
      const keys = keysOf(runId);
      await commit(transaction, function* () {
        yield transaction.objectStore('runs').delete(runId);
        yield transaction.objectStore('events').delete(keys);
        yield transaction.objectStore('adapters').delete(keys);
        yield transaction.objectStore('checkpoints').delete(keys);
        yield transaction.objectStore('evaluations').delete(keys);
        if (data && !needed) yield transaction.objectStore('problems').delete(data.sha256);
      });
    });
  }

  putProblems(file: StoredProblems): Promise<void> {
    return this.#guarded('storing a file of problems', async () => {
      await this.#db.put('problems', file);
    });
  }

  problems(sha256: string): Promise<StoredProblems> {
    return this.#guarded('reading a file of problems', async () => {
      const file = await this.#db.get('problems', sha256);
      if (!file) throw new ProblemsMissingError(sha256);
      return file;
    });
  }

  problemFiles(): Promise<ProblemsEntry[]> {
    return this.#guarded('listing files of problems', async () => {
      const transaction = this.#db.transaction(['problems', 'runs']);
      const files = transaction.objectStore('problems').getAll();
      return problemsEntries(await files, await transaction.objectStore('runs').getAll());
    });
  }

  deleteProblems(sha256: string): Promise<void> {
    return this.#guarded('deleting a file of problems', () => this.#db.delete('problems', sha256));
  }

  close(): void {
    this.#db.close();
  }

  /** Turns the browser's exceptions into this store's. */
  async #guarded<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const name = error instanceof DOMException || error instanceof Error ? error.name : '';
      if (name === 'QuotaExceededError') throw new StorageFullError(doing, { cause: error });
      if (name === 'InvalidStateError')
        throw new StoreUnavailableError('Another tab upgraded the stored runs. Reload this page.', { cause: error });
      throw error;
    }
  }
}
