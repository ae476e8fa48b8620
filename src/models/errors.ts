/** Typed errors of downloading and storing models. Each says what to do; none of them loses what is stored already. */
import { PolylogueError } from '../engine/errors';

/** What the visitor typed is no repository or revision name. */
export class ModelNameError extends PolylogueError {}

/** No answer from the server: no connection, a blocked request, or the server is down. */
export class OfflineError extends PolylogueError {
  constructor(host: string, options?: ErrorOptions) {
    super(
      `${host} cannot be reached. Check the connection (or what blocks it) and try again; a download that was begun ` +
        'goes on where it stopped. Models that are stored completely work offline.',
      options,
    );
  }
}

/**
 * Why a model cannot be fetched with the rights at hand: `token-missing` (gated, no token given), `not-granted` (the
 * token's account has not been given access), `token-refused` (the hub does not know the token), `disabled`.
 */
export type AccessProblem = 'token-missing' | 'not-granted' | 'token-refused' | 'disabled';

export class ModelAccessError extends PolylogueError {
  constructor(
    readonly repo: string,
    readonly problem: AccessProblem,
    endpoint: string,
  ) {
    super(`${repo} ${ACCESS_ADVICE[problem](`${endpoint}/${repo}`, endpoint)}`);
  }
}

/** A gated or private repository that a seat names: files of a seat's model are asked for without a token. */
export class SeatAccessError extends PolylogueError {
  /** @param instead how the model is had all the same */
  constructor(
    readonly repo: string,
    problem: string,
    instead: string,
    options?: ErrorOptions,
  ) {
    super(`${repo} ${problem}, and files of a seat's model are asked for without a token: ${instead}`, options);
  }
}

const ACCESS_ADVICE: Record<AccessProblem, (page: string, endpoint: string) => string> = {
  'token-missing': (page, endpoint) =>
    `is gated: accept its licence at ${page}, make a read token at ${endpoint}/settings/tokens and enter it under ` +
    '"Token and address of the hub". It stays in this tab and is sent to nobody but the hub.',
  'not-granted': (page) =>
    `is gated and the token's account has no access yet: ask for it at ${page}, and see that the token may read gated ` +
    'repositories.',
  'token-refused': (_page, endpoint) =>
    `cannot be fetched: the hub refuses the token. Copy it again or make a new one at ${endpoint}/settings/tokens.`,
  disabled: (page) => `has been disabled by the hub; ${page} may say why. Choose another model.`,
};

/** There is no such repository, or it is private and the hub does not say so. */
export class ModelNotFoundError extends PolylogueError {
  constructor(
    readonly repo: string,
    endpoint: string,
  ) {
    super(
      `There is no model ${repo} at ${endpoint}, or it is private. Check the spelling (owner/name); a private model ` +
        'needs a token that may read it.',
    );
  }
}

/** The repository is there, the branch, tag or commit is not. */
export class RevisionNotFoundError extends PolylogueError {
  constructor(
    readonly repo: string,
    readonly revision: string,
  ) {
    super(`${repo} has no revision "${revision}". Use a branch, a tag or a full commit id, "main" for the newest.`);
  }
}

/** The files are there, but this engine cannot run them: another architecture, no safetensors, an adapter. */
export class UnsupportedModelError extends PolylogueError {
  /** Keys of config.json without which the model could be loaded all the same; see `UnknownKeysError`. */
  readonly keys: readonly string[];

  constructor(
    readonly model: string,
    problem: string,
    options?: ErrorOptions & { keys?: readonly string[] },
  ) {
    super(`${model} cannot be run here: ${problem}`, options);
    this.keys = options?.keys ?? [];
  }
}

/** The hub's answer lacks something or is not what its interface promises. */
export class HubAnswerError extends PolylogueError {}

/** The server asks to wait longer than a page should wait unasked, or again and again. */
export class RateLimitError extends PolylogueError {
  constructor(
    host: string,
    /** Seconds the server asked for; null when it named none. */
    readonly retryAfterSeconds: number | null,
    options?: ErrorOptions,
  ) {
    super(
      `${host} limits requests from this address: try again ` +
        `${retryAfterSeconds === null ? 'in a few minutes' : `in ${Math.ceil(retryAfterSeconds)} s`} (a token raises ` +
        'the limit). A download that was begun goes on where it stopped.',
      options,
    );
  }
}

/** A transfer kept failing: cut off, stalled, wrong length, wrong range or a server error, several times in a row. */
export class TransferError extends PolylogueError {
  constructor(
    readonly file: string,
    readonly problem: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${problem}, several times in a row. Try again later; what was downloaded so far is kept.`, options);
  }
}

/** A file arrived twice with content that is not what the hub (or the folder) announced. Its chunks were dropped. */
export class HashMismatchError extends PolylogueError {
  constructor(
    readonly file: string,
    readonly expected: string,
    readonly actual: string,
    origin: 'hub' | 'folder' = 'hub',
  ) {
    const advice =
      origin === 'hub'
        ? 'Something between here and the server changes the data: try another network.'
        : 'It was changed while it was copied: choose the folder again.';
    super(
      `${file}: the content is not what was announced (expected ${expected}, got ${actual}), twice. The file was ` +
        `dropped, other files are kept. ${advice}`,
    );
  }
}

/** No room. What was stored so far stays. */
export class ModelStorageFullError extends PolylogueError {
  constructor(
    /** Bytes still to be stored and bytes free, as far as they are known. */
    readonly neededBytes: number | null,
    readonly freeBytes: number | null,
    options?: ErrorOptions,
  ) {
    const free = freeBytes === null ? '' : `, ${megabytes(freeBytes)} free`;
    const numbers = neededBytes === null ? '' : ` (${megabytes(neededBytes)} needed${free})`;
    super(
      `There is no room to store the model${numbers}. What was stored so far is kept: delete other models or runs, or ` +
        'free disk space, then start the download again.',
      options,
    );
  }
}

/** A stored model is incomplete, damaged or not there. */
export class StoredModelError extends PolylogueError {}

/** A folder is used where it lies, and the page loses it when it is reloaded. */
export class FolderNotChosenError extends PolylogueError {
  constructor(readonly folder: string) {
    super(
      `The folder ${folder} has to be opened or chosen again: pages lose folders when they are reloaded. Do so under ` +
        'Models (or copy it into this browser there, so that it stays), then go on.',
    );
  }
}

/** Another tab (or another call) downloads or deletes the same model. */
export class ModelBusyError extends PolylogueError {
  constructor(readonly model: string) {
    super(`${model} is being downloaded or deleted in another tab. Wait until it is done there.`);
  }
}

/** This browser keeps no files, or refuses to. */
export class ModelStorageUnavailableError extends PolylogueError {}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: 0 })} MB`;
}
