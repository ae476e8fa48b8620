/**
 * The schema of the IndexedDB database `polylogue` and its migrations. A released version is never changed: a change is
 * a new entry in `MIGRATIONS`, and opening an older database runs the missing ones inside one upgrade transaction, which
 * IndexedDB takes back as a whole when anything fails.
 */
import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction, type StoreNames } from 'idb';
import type { AdapterWeights } from '../engine/types';
import type { Event1 } from '../log/format1';

import { StoreUnavailableError } from './errors';
import type { Checkpoint, RunRecord, StoredProblems } from './types';

export const DATABASE_NAME = 'polylogue';

export interface PolylogueSchema extends DBSchema {
  runs: { key: string; value: RunRecord; indexes: { created: number } };
  /**
   * Key: run, index in the log. JSON texts since version 3: reading a long log takes a quarter of the time that objects full of
   * numbers take, and texts pass between threads as they are. What was stored before stays as it was.
   */
  events: { key: [string, number]; value: string | object };
  /** Key: run, iteration, job and name (`adapterKey`; the name alone before version 5). */
  adapters: { key: [string, number, string]; value: AdapterWeights };
  /** Key: run, iteration. */
  checkpoints: { key: [string, number]; value: Checkpoint };
  /**
   * Copies of the log's evaluation events, as they were written, so that a list of runs need not read whole logs. Key: run, iteration,
   * learner.
   */
  evaluations: { key: [string, number, string]; value: object };
  /** Files of problems since version 4. Key: sha-256 of the bytes, hex. */
  problems: { key: string; value: StoredProblems };
}

export type Database = IDBPDatabase<PolylogueSchema>;
type Upgrade = IDBPTransaction<PolylogueSchema, StoreNames<PolylogueSchema>[], 'versionchange'>;

/** MIGRATIONS[v] leads from version v to v + 1. */
const MIGRATIONS: ((db: Database, transaction: Upgrade) => Promise<void>)[] = [
  createFirstSchema,
  addEvaluations,
  // A version of its own, so that an older lab does not open what it could not read.
  async function eventsAsText() {},
  async function addProblems(db) {
    db.createObjectStore('problems', { keyPath: 'sha256' });
  },
  // Logs of format 2, and adapters by the job that they came out of: an older lab could not read them.
  async function secondFormat() {},
];

export const DATABASE_VERSION = MIGRATIONS.length;

const EVERY_STORE = ['runs', 'events', 'adapters', 'checkpoints', 'evaluations', 'problems'] as const;

async function createFirstSchema(db: Database): Promise<void> {
  db.createObjectStore('runs', { keyPath: 'id' }).createIndex('created', 'created');
  db.createObjectStore('events');
  db.createObjectStore('adapters');
  db.createObjectStore('checkpoints');
}

async function addEvaluations(db: Database, transaction: Upgrade): Promise<void> {
  const evaluations = db.createObjectStore('evaluations');
  let cursor = await transaction.objectStore('events').openCursor();
  while (cursor) {
    const event = cursor.value;
    // Texts came later than this migration.
    if (typeof event !== 'string' && (event as Event1).type === 'evaluation') {
      const evaluation = event as Extract<Event1, { type: 'evaluation' }>;
      await evaluations.put(evaluation, [cursor.key[0], evaluation.iteration, evaluation.team]);
    }
    cursor = await cursor.continue();
  }
}

/**
 * Opens the database, creating or migrating it. `version` below the newest exists for tests of migrations.
 * Rejects with `StoreUnavailableError` when another tab holds an old version open, when the database was written by a
 * newer lab, or when the browser has no IndexedDB (some private modes).
 */
export async function openDatabase(name = DATABASE_NAME, version = DATABASE_VERSION): Promise<Database> {
  let blocked: (error: StoreUnavailableError) => void = () => {};
  const refused = new Promise<never>((_, reject) => (blocked = reject));
  // Without a database there is nothing to call: that too is to be a rejection.
  const open = async () =>
    openDB<PolylogueSchema>(name, version, {
      async upgrade(db, from, to, transaction) {
        for (const migrate of MIGRATIONS.slice(from, to ?? version)) await migrate(db, transaction);
      },
      blocked() {
        blocked(
          new StoreUnavailableError('Another tab has an older version of the lab open. Close it and reload this one.'),
        );
      },
      // Let another tab's newer version upgrade; what this tab tries afterwards fails with a typed error.
      blocking(_current, _wanted, event) {
        (event.target as IDBDatabase).close();
      },
    });
  const opening = open();
  try {
    const db = await Promise.race([opening, refused]);
    const lacking = EVERY_STORE.filter((store) => version === DATABASE_VERSION && !db.objectStoreNames.contains(store));
    if (lacking.length === 0) return db;
    db.close();
    throw new StoreUnavailableError(
      `The browser has lost a part of the stored runs (${lacking.join(', ')}). Clear the data of this site in the browser's ` +
        'settings and reload the page; what is left cannot be read.',
    );
  } catch (error) {
    opening.then((db) => db.close()).catch(() => {});
    if (error instanceof StoreUnavailableError) throw error;
    throw new StoreUnavailableError(describeOpenFailure(error), { cause: error });
  }
}

function describeOpenFailure(error: unknown): string {
  if (globalThis.indexedDB === undefined || globalThis.indexedDB === null)
    return (
      'This browser keeps no database for this page, as some do in private windows, so no run can be kept. Open the page in an ' +
      'ordinary window.'
    );
  if (error instanceof DOMException && error.name === 'QuotaExceededError')
    return "The browser's storage is full, so the stored runs cannot be opened. Free disk space and reload the page.";
  if (error instanceof DOMException && error.name === 'VersionError')
    return 'The stored runs were written by a newer version of the lab. Reload the page to get it.';
  const why = error instanceof Error ? error.message : String(error);
  return `The browser's database cannot be opened (${why}). Private windows sometimes refuse it.`;
}
