/**
 * What the rows of a KV cache hold, so that a prompt is computed only from where no row can help it. This is the host's
 * half: which row a sequence gets and from which row its first tokens come.
 *
 * Beside its ids a sequence keeps, for every length, a hash of the ids so far, made of the hash before and one id by a map
 * that is one to one in the former. Sequences that have parted therefore keep different hashes (but for chance, once in 2^32),
 * and how much two have in common is found by bisection. Placing n prompts in r rows of T ids takes n·T + (n·r + n²/2)·log T steps: 0.4
 * million for n = r = 128 and T = 1024, about a millisecond. What is chosen is then compared id by id: a chance
 * collision costs time, never a result.
 */

/** Sharing fewer tokens is not worth a copy, let alone a wait. */
export const LEAST_SHARED = 16;

/** Token ids, and after each the hash of all up to it. */
export class HashedIds {
  length = 0;
  readonly ids: Uint32Array;
  private readonly hashes: Uint32Array;

  constructor(readonly capacity: number) {
    this.ids = new Uint32Array(capacity);
    this.hashes = new Uint32Array(capacity);
  }

  static of(ids: ArrayLike<number>): HashedIds {
    const hashed = new HashedIds(ids.length);
    for (let i = 0; i < ids.length; i++) hashed.push(ids[i] as number);
    return hashed;
  }

  push(id: number): void {
    const { length } = this;
    this.ids[length] = id;
    this.hashes[length] = nextHash(length === 0 ? 0 : (this.hashes[length - 1] as number), id);
    this.length++;
  }

  /** Becomes the first `length` ids of another. */
  assign(other: HashedIds, length: number): void {
    this.ids.set(other.ids.subarray(0, length));
    this.hashes.set(other.hashes.subarray(0, length));
    this.length = length;
  }

  /** First ids that both have, judged by hashes. */
  common(other: HashedIds): number {
    let [alike, parted] = [0, Math.min(this.length, other.length) + 1];
    while (parted - alike > 1) {
      const middle = (alike + parted) >>> 1;
      if (this.hashes[middle - 1] === other.hashes[middle - 1]) alike = middle;
      else parted = middle;
    }
    return alike;
  }

  /** The first `length` ids of both are the same. */
  begins(other: HashedIds, length: number): boolean {
    for (let i = 0; i < length; i++) if (this.ids[i] !== other.ids[i]) return false;
    return true;
  }
}

/** One step of MurmurHash3 (32 bits). */
function nextHash(hash: number, id: number): number {
  let k = Math.imul(id + 1, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** A sequence of tokens on its way into the cache. */
export interface Sequence {
  hashed: HashedIds;
  /** Which weights keys and values are computed with. */
  version: number;
  /** Tokens to bring into the cache: the first of `hashed`. */
  length: number;
  /** Region of the cache; given by `placeSequences`. */
  row: number;
  /** First tokens whose keys and values are in the row or will be before anything queued from now on. */
  cached: number;
  /** Where the first tokens come from: a row, once the sequence `of` (if any) has that many in it. */
  copy: { row: number; length: number; of: Sequence | null } | null;
}

/** Which ids have their keys and values in each row, and under which weights. */
export class RowContents {
  private readonly rows: { held: HashedIds; version: number; used: number }[];
  private clock = 0;

  constructor(rows: number, maxLength: number) {
    this.rows = Array.from({ length: rows }, () => ({ held: new HashedIds(maxLength), version: -1, used: 0 }));
  }

  /** From now on the row holds the first `length` ids of a sequence, and nothing else. */
  hold(row: number, { hashed, version }: Pick<Sequence, 'hashed' | 'version'>, length: number): void {
    const content = this.at(row);
    content.held.assign(hashed, length);
    content.version = version;
    content.used = ++this.clock;
  }

  /** The row holds these ids too. */
  append(row: number, ids: readonly number[]): void {
    const content = this.at(row);
    for (const id of ids) content.held.push(id);
    content.used = ++this.clock;
  }

  /** First tokens of a sequence that the row has, judged by hashes. */
  common(row: number, { hashed, version }: Pick<Sequence, 'hashed' | 'version'>): number {
    const content = this.at(row);
    return content.version === version ? content.held.common(hashed) : 0;
  }

  /** The row has the first `length` tokens of a sequence. */
  has(row: number, { hashed, version }: Pick<Sequence, 'hashed' | 'version'>, length: number): boolean {
    const content = this.at(row);
    return content.version === version && content.held.length >= length && content.held.begins(hashed, length);
  }

  /** The most first tokens of a sequence that any row has, judged by hashes. */
  longest(sequence: Pick<Sequence, 'hashed' | 'version'>): number {
    let longest = 0;
    for (let row = 0; row < this.rows.length; row++) longest = Math.max(longest, this.common(row, sequence));
    return longest;
  }

  /** The rows, those first that were not used for the longest time. */
  oldestFirst(rows: Iterable<number>): number[] {
    return [...rows].sort((a, b) => this.at(a).used - this.at(b).used);
  }

  private at(row: number) {
    const content = this.rows[row];
    if (content === undefined) throw new RangeError(`there is no row ${row}`);
    return content;
  }
}

/** What sequences may take over. */
export interface Sharing {
  /** Of what rows hold from before. */
  rows: boolean;
  /** Of one another. */
  sequences: boolean;
  /** How many of a sequence's first `common` tokens need not be computed. */
  reusable(common: number, sequence: Sequence): number;
}

/**
 * Gives each sequence one of the free rows and says where its first tokens come from: a free row that has the most of them is
 * taken as it is; else they are copied, from a row that has them now or from an earlier one of the sequences that will.
 * Copies without `of` must be done before anything is computed; none of them reads a row that another of them writes,
 * because rows are only copied from when they are not free or were taken by an earlier sequence, which keeps its prefix.
 * `cached` is set to what is taken as it is.
 */
export function placeSequences(
  contents: RowContents,
  sequences: readonly Sequence[],
  free: Iterable<number>,
  rows: number,
  sharing: Sharing,
): void {
  const left = contents.oldestFirst(free);
  const rowless: Sequence[] = [];
  const common = new Uint32Array(rows);
  sequences.forEach((sequence, i) => {
    const before = sharing.sequences ? bestSequence(sequences.slice(0, i), sequence, sharing) : null;
    let held = 0;
    for (let row = 0; sharing.rows && row < rows; row++) {
      common[row] = sharing.reusable(contents.common(row, sequence), sequence);
      held = Math.max(held, common[row] as number);
    }
    const isBest = (row: number): boolean => common[row] === held && contents.has(row, sequence, held);
    if (before !== null && before.length >= held + LEAST_SHARED) {
      sequence.copy = { row: -1, length: before.length, of: before.sequence };
    } else if (held >= LEAST_SHARED) {
      const place = left.findIndex(isBest);
      if (place >= 0) {
        sequence.row = left.splice(place, 1)[0] as number;
        sequence.cached = held;
        return;
      }
      const source = common.findIndex((_, row) => isBest(row));
      if (source >= 0) sequence.copy = { row: source, length: held, of: null };
    }
    rowless.push(sequence);
  });
  rowless.forEach((sequence, i) => (sequence.row = left[i] as number));
  for (const { copy } of sequences) if (copy?.of) copy.row = copy.of.row;
}

/** The sequence that has most of another's first tokens, the first of several. */
function bestSequence(
  sequences: readonly Sequence[],
  sequence: Sequence,
  { reusable }: Sharing,
): { sequence: Sequence; length: number } | null {
  let best: { sequence: Sequence; length: number } | null = null;
  for (const other of sequences) {
    if (other.version !== sequence.version) continue;
    const length = reusable(other.hashed.common(sequence.hashed), sequence);
    if (length > (best?.length ?? 0)) best = { sequence: other, length };
  }
  return best !== null && best.sequence.hashed.begins(sequence.hashed, best.length) ? best : null;
}
