/**
 * A connection to the database that outlives its loss. Browsers end connections: site data is cleared, iOS suspends a page,
 * the backing store fails. The next call opens the database again and repeats what failed.
 */
import { LOST_CONNECTION } from '../models/lostConnection';
import { openDatabase, type Database } from './database';
import { StorageFullError, StoreUnavailableError } from './errors';

/** How often one call is tried, and how long it waits before each repetition, in milliseconds. */
const TRIES = 4;
const WAIT = 40;

export class Connection {
  readonly #name: string | undefined;
  #db: Promise<Database> | null;
  /** Another tab asked for a newer version, so this page is too old to go on. */
  #outdated = false;

  /** @param db open already; its later losses are handled alike */
  constructor(name?: string, db?: Database) {
    this.#name = name;
    this.#db = db ? Promise.resolve(db) : null;
    if (db) this.#watch(db);
  }

  /** Opens the database. @throws StoreUnavailableError */
  async open(): Promise<void> {
    await this.#repeated('opening the stored runs', async () => {});
  }

  /**
   * Does work on the database, again on a new connection where the old one is lost. The work of a lost connection may have been
   * done all the same: `again` says so, and the work then has to look before it writes.
   *
   * @throws StorageFullError, StoreUnavailableError; what `work` throws otherwise
   */
  async use<T>(doing: string, work: (db: Database, again: boolean) => Promise<T>): Promise<T> {
    return this.#repeated(doing, work);
  }

  close(): void {
    this.#db?.then((db) => db.close()).catch(() => {});
  }

  async #repeated<T>(doing: string, work: (db: Database, again: boolean) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried++) {
      const opening = this.#opened();
      try {
        return await work(await opening, tried > 1);
      } catch (error) {
        if (nameOf(error) === 'QuotaExceededError') throw new StorageFullError(doing, { cause: error });
        if (!isLost(error)) throw error;
        if (this.#outdated) throw outdated(error);
        this.#forget(opening);
        if (tried === TRIES) throw lostForGood(doing, error);
        await new Promise((resolve) => setTimeout(resolve, WAIT * (tried - 1)));
      }
    }
  }

  #opened(): Promise<Database> {
    if (this.#outdated) return Promise.reject(outdated());
    this.#db ??= openDatabase(this.#name).then((db) => {
      this.#watch(db);
      return db;
    });
    return this.#db;
  }

  #watch(db: Database): void {
    db.addEventListener('versionchange', ({ newVersion }) => {
      // null: the database is being deleted, and the next call makes a new one.
      if (newVersion !== null) this.#outdated = true;
      else this.#db = null;
    });
    db.addEventListener('close', () => {
      this.#db = null;
    });
  }

  /** Lets go of a connection unless a newer one has taken its place. */
  #forget(opening: Promise<Database>): void {
    if (this.#db === opening) this.#db = null;
    opening.then((db) => db.close()).catch(() => {});
  }
}

/** The connection is gone, or could not be opened for a reason that may pass. */
function isLost(error: unknown): boolean {
  if (error instanceof StoreUnavailableError) return LOST_CONNECTION.includes(nameOf(error.cause));
  return LOST_CONNECTION.includes(nameOf(error));
}

function nameOf(error: unknown): string {
  return error instanceof DOMException || error instanceof Error ? error.name : '';
}

function outdated(cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    'Another tab has opened a newer version of the lab and upgraded the stored runs. Reload this page to go on.',
    { cause },
  );
}

function lostForGood(doing: string, cause: unknown): StoreUnavailableError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new StoreUnavailableError(
    `The browser's database broke off while ${doing}, ${TRIES} times (${why}). Nothing that was stored is changed. Reload the ` +
      'page; if that does not help, restart the browser.',
    { cause },
  );
}
