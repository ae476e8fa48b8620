/** The run store of the browser, on IndexedDB. Every method is one transaction: it happens whole or not at all. */
import type { AdapterWeights } from '../engine/types';
import type { EvaluationDone, RunEvent } from '../events';
import { Connection } from './connection';
import type { Database } from './database';
import { LogConflictError, ProblemsMissingError, RunNotFoundError, StoredRunError } from './errors';
import { readEvaluation } from '../log/read';
import { adapterKey, adapterOf, type AdapterName } from './keep';
import { problemsEntries } from './problems';
import { adapterBytes, damageOf, readableEvents } from './readBack';
import type {
  Checkpoint,
  LogBatch,
  ProblemsEntry,
  RunCondition,
  RunPatch,
  RunRecord,
  RunStore,
  StoredProblems,
  WholeRun,
} from './types';

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

function asLine(event: string | object): string {
  return typeof event === 'string' ? event : JSON.stringify(event);
}

function isAtEndOf(batch: LogBatch, record: RunRecord): boolean {
  return record.events === batch.from + batch.events.length && record.digest === batch.digest;
}

export class IndexedRunStore implements RunStore {
  readonly #connection: Connection;

  /** @param db open already; once it is lost, the default database is opened */
  constructor(db: Database | Connection) {
    this.#connection = db instanceof Connection ? db : new Connection(undefined, db);
  }

  /** Opens (or creates, or migrates) the database `name`. */
  static async open(name?: string): Promise<IndexedRunStore> {
    const connection = new Connection(name);
    await connection.open();
    return new IndexedRunStore(connection);
  }

  create(run: RunRecord): Promise<void> {
    return this.#connection.use('starting a run', async (db, again) => {
      if (again && (await db.get('runs', run.id))) return;
      await db.add('runs', run);
    });
  }

  append(runId: string, batch: LogBatch): Promise<RunRecord> {
    return this.#connection.use('storing the log', async (db, again) => {
      const transaction = db.transaction(EVERYTHING, 'readwrite');
      const runs = transaction.objectStore('runs');
      const record = await runs.get(runId);
      if (!record) throw new RunNotFoundError(runId);
      // A connection that broke off may have stored it all the same.
      if (again && isAtEndOf(batch, record)) return record;
      if (record.events !== batch.from) throw new LogConflictError(runId, batch.from, record.events);
      if (batch.from > 0 && !(await transaction.objectStore('events').getKey([runId, batch.from - 1])))
        throw new StoredRunError(`Run ${runId}: event ${batch.from - 1} of its stored log is gone.`);
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
            yield transaction.objectStore('evaluations').put(event, [runId, event.iteration, event.learner]);
        }
        for (const { weights, iteration, ...version } of batch.adapters ?? [])
          yield transaction.objectStore('adapters').put(weights, [runId, iteration, adapterKey(version)]);
        if (batch.checkpoint)
          yield transaction.objectStore('checkpoints').put(batch.checkpoint, [runId, batch.checkpoint.iteration]);
      });
      return next;
    });
  }

  rewrite({ record, events, adapters, checkpoints, problems }: WholeRun): Promise<RunRecord> {
    return this.#connection.use('writing a run again', async (db) => {
      const transaction = db.transaction([...EVERYTHING, 'problems'], 'readwrite');
      const { id } = record;
      await commit(transaction, function* () {
        for (const name of ['events', 'adapters', 'checkpoints', 'evaluations'] as const)
          yield transaction.objectStore(name).delete(keysOf(id));
        yield transaction.objectStore('runs').put(record);
        for (const [i, event] of events.entries()) {
          yield transaction.objectStore('events').put(JSON.stringify(event), [id, i]);
          if (event.type === 'evaluation')
            yield transaction.objectStore('evaluations').put(event, [id, event.iteration, event.learner]);
        }
        for (const { weights, iteration, ...version } of adapters)
          yield transaction.objectStore('adapters').put(weights, [id, iteration, adapterKey(version)]);
        for (const checkpoint of checkpoints)
          yield transaction.objectStore('checkpoints').put(checkpoint, [id, checkpoint.iteration]);
        if (problems) yield transaction.objectStore('problems').put(problems);
      });
      return record;
    });
  }

  update(runId: string, patch: RunPatch): Promise<RunRecord> {
    return this.#connection.use('updating a run', async (db) => {
      const transaction = db.transaction('runs', 'readwrite');
      const record = await transaction.store.get(runId);
      if (!record) throw new RunNotFoundError(runId);
      const next = { ...record, ...patch, updated: Date.now() };
      await commit(transaction, () => [transaction.store.put(next)]);
      return next;
    });
  }

  run(runId: string): Promise<RunRecord> {
    return this.#connection.use('reading a run', async (db) => {
      const record = await db.get('runs', runId);
      if (!record) throw new RunNotFoundError(runId);
      return record;
    });
  }

  runs(): Promise<RunRecord[]> {
    return this.#connection.use('listing runs', async (db) => (await db.getAllFromIndex('runs', 'created')).reverse());
  }

  async events(runId: string): Promise<RunEvent[]> {
    const { events, damage } = readableEvents(await this.lines(runId));
    if (damage !== null) throw new StoredRunError(`Run ${runId}: ${damage}.`);
    return events;
  }

  lines(runId: string, from = 0, to = Number.MAX_SAFE_INTEGER): Promise<string[]> {
    return this.#connection.use('reading a log', async (db) => {
      if (to <= from) return [];
      const range = IDBKeyRange.bound([runId, from], [runId, to], false, true);
      const transaction = db.transaction('events');
      const [keys, stored] = await Promise.all([transaction.store.getAllKeys(range), transaction.store.getAll(range)]);
      // Behind a hole nothing is in its place.
      const hole = keys.findIndex(([, at], index) => at !== from + index);
      return stored.slice(0, hole < 0 ? undefined : hole).map(asLine);
    });
  }

  adapter(runId: string, adapter: AdapterName): Promise<AdapterWeights> {
    const { name, iteration } = adapter;
    return this.#connection.use('reading an adapter', async (db) => {
      const key = adapterKey(adapter);
      const weights =
        (await db.get('adapters', [runId, iteration, key])) ?? (await db.get('adapters', [runId, iteration, name]));
      if (!weights) throw new StoredRunError(`Run ${runId} holds no adapter ${name} of iteration ${iteration}.`);
      return weights;
    });
  }

  adapters(runId: string): Promise<AdapterName[]> {
    return this.#connection.use('listing adapters', async (db) => {
      const keys = await db.getAllKeys('adapters', keysOf(runId));
      return keys.map(([, iteration, key]) => adapterOf(iteration, key));
    });
  }

  deleteAdapters(runId: string, adapters: readonly AdapterName[]): Promise<void> {
    return this.#connection.use('deleting adapters', async (db) => {
      const transaction = db.transaction('adapters', 'readwrite');
      await commit(transaction, () =>
        adapters.map((adapter) => transaction.store.delete([runId, adapter.iteration, adapterKey(adapter)])),
      );
    });
  }

  condition(runId: string): Promise<RunCondition> {
    return this.#connection.use('measuring a run', async (db) => {
      const record = await db.get('runs', runId);
      if (!record) throw new RunNotFoundError(runId);
      const lines = await this.lines(runId);
      const adapters: RunCondition['adapters'] = [];
      // One after the other: together they may not fit into memory.
      for (const key of await db.getAllKeys('adapters', keysOf(runId))) {
        const weights = await db.get('adapters', key);
        if (weights) adapters.push({ ...adapterOf(key[1], key[2]), bytes: adapterBytes(weights) });
      }
      const logBytes = lines.reduce((sum, line) => sum + line.length, 0);
      return { logBytes, adapters, damage: damageOf(record, lines) };
    });
  }

  evaluations(runId: string): Promise<EvaluationDone[]> {
    return this.#connection.use('reading evaluations', async (db) => {
      const record = await db.get('runs', runId);
      const stored = await db.getAll('evaluations', keysOf(runId));
      return record ? stored.map((evaluation) => readEvaluation(record.config, evaluation)) : [];
    });
  }

  checkpoints(runId: string): Promise<Checkpoint[]> {
    return this.#connection.use('reading checkpoints', (db) => db.getAll('checkpoints', keysOf(runId)));
  }

  delete(runId: string): Promise<void> {
    return this.#connection.use('deleting a run', async (db, again) => {
      const transaction = db.transaction([...EVERYTHING, 'problems'], 'readwrite');
      const runs = await transaction.objectStore('runs').getAll();
      const run = runs.find(({ id }) => id === runId);
      if (!run && again) return;
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
    return this.#connection.use('storing a file of problems', async (db) => {
      await db.put('problems', file);
    });
  }

  problems(sha256: string): Promise<StoredProblems> {
    return this.#connection.use('reading a file of problems', async (db) => {
      const file = await db.get('problems', sha256);
      if (!file) throw new ProblemsMissingError(sha256);
      return file;
    });
  }

  problemFiles(): Promise<ProblemsEntry[]> {
    return this.#connection.use('listing files of problems', async (db) => {
      const transaction = db.transaction(['problems', 'runs']);
      const files = transaction.objectStore('problems').getAll();
      return problemsEntries(await files, await transaction.objectStore('runs').getAll());
    });
  }

  deleteProblems(sha256: string): Promise<void> {
    return this.#connection.use('deleting a file of problems', (db) => db.delete('problems', sha256));
  }

  close(): void {
    this.#connection.close();
  }
}
