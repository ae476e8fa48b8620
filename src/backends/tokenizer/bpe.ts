/** Byte-pair encoding over ids, as the Rust library `tokenizers` does it: the earliest merge first, of equal ones the leftmost. */
import { FileError } from '../../engine/errors';
import { at, flag, known, list, object, refuse, show, text, unset, whole, type Json, type Place } from './fields';
import { Heap } from './heap';

/** Bounds of what is read; the largest vocabularies in use have some 260,000 tokens. */
export const MOST_TOKENS = 1_000_000;
const MOST_MERGES = 2_000_000;
export const LONGEST_TOKEN = 10_000;
/** Words whose ids are remembered. */
const REMEMBERED = 10_000;
const LONGEST_REMEMBERED = 256;

const FIELDS = ['type', 'dropout', 'unk_token', 'continuing_subword_prefix', 'end_of_word_suffix', 'fuse_unk'].concat([
  'byte_fallback',
  'ignore_merges',
  'vocab',
  'merges',
]);

export interface Bpe {
  vocab: ReadonlyMap<string, number>;
  encode(word: string): number[];
  /** Characters of a word that have no token and no bytes: they become the unknown token, or nothing. */
  unknownIn(word: string): string[];
  /** No text becomes one of these, unknown characters neither. */
  keep(marks: ReadonlySet<number>): void;
}

interface Merge {
  rank: number;
  id: number;
}

interface Model {
  place: Place;
  vocab: ReadonlyMap<string, number>;
  /** By `left * BASE + right`. */
  merges: ReadonlyMap<number, Merge>;
  unknown: number | null;
  fuse: boolean;
  fallback: boolean;
  ignoreMerges: boolean;
  /** Ids that no text may become. */
  kept: ReadonlySet<number>;
  /** Ids that mark turns: not even what is unknown may become one. */
  marks: ReadonlySet<number>;
}

const BASE = 2 ** 25;

/**
 * @param kept ids that stand for turns and the like: no text is merged to one, whatever the file's merges say
 * @throws FileError for a field that is missing, wrong or not known
 */
export function bpe(value: unknown, kept: ReadonlySet<number>, place: Place): Bpe {
  const asked = object(value, place);
  const type = text(asked['type'] ?? 'BPE', at(place, 'type'));
  if (type !== 'BPE')
    refuse(at(place, 'type'), `${JSON.stringify(type)} is a model that this lab cannot follow exactly; it reads BPE`);
  known(asked, FIELDS, place);
  for (const name of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) unset(asked, name, place);
  const vocab = readVocab(asked, place);
  const unk = asked['unk_token'] ?? null;
  const unknown = unk === null ? null : vocab.get(text(unk, at(place, 'unk_token'), LONGEST_TOKEN));
  if (unknown === undefined) refuse(at(place, 'unk_token'), `${show(unk)} is not in the vocabulary`);
  const model: Model = {
    place,
    vocab,
    merges: readMerges(asked, vocab, kept, at(place, 'merges')),
    unknown: unknown ?? null,
    fuse: flag(asked['fuse_unk'] ?? undefined, at(place, 'fuse_unk'), false),
    fallback: flag(asked['byte_fallback'] ?? undefined, at(place, 'byte_fallback'), false),
    ignoreMerges: flag(asked['ignore_merges'] ?? undefined, at(place, 'ignore_merges'), false),
    kept,
    marks: new Set(),
  };
  const remembered = new Map<string, number[]>();
  return {
    vocab,
    keep: (marks) => void (model.marks = marks),
    unknownIn: (word) => (isWhole(model, word) ? [] : [...word].filter((character) => isUnknown(model, character))),
    encode(word) {
      const before = remembered.get(word);
      if (before) return before;
      const ids = encodeWord(model, word);
      if (word.length <= LONGEST_REMEMBERED) {
        if (remembered.size >= REMEMBERED) remembered.clear();
        remembered.set(word, ids);
      }
      return ids;
    },
  };
}

function readVocab(asked: Json, place: Place): Map<string, number> {
  const inside = at(place, 'vocab');
  const entries = Object.entries(object(asked['vocab'], inside));
  if (entries.length > MOST_TOKENS) refuse(inside, `has ${entries.length} tokens, and at most ${MOST_TOKENS} are read`);
  for (const [token, id] of entries) {
    if (token.length > LONGEST_TOKEN) refuse(inside, `holds a token of ${token.length} characters`);
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= BASE)
      whole(id, at(inside, show(token)), BASE);
  }
  return new Map(entries as [string, number][]);
}

function readMerges(
  asked: Json,
  vocab: ReadonlyMap<string, number>,
  kept: ReadonlySet<number>,
  place: Place,
): Map<number, Merge> {
  const merges = new Map<number, Merge>();
  list(asked['merges'], place, MOST_MERGES).forEach((value, rank) => {
    const pair = typeof value === 'string' ? value.split(' ') : value;
    const where = (): Place => at(place, String(rank));
    if (!Array.isArray(pair) || pair.length !== 2 || pair.some((part) => typeof part !== 'string'))
      return refuse(where(), `is ${show(value)}, not two tokens`);
    const [left, right] = pair as [string, string];
    const ids = [vocab.get(left), vocab.get(right), vocab.get(left + right)] as const;
    if (ids.some((id) => id === undefined))
      return refuse(where(), `${show(value)} names a token that is not in the vocabulary`);
    const [a, b, id] = ids as unknown as [number, number, number];
    if (!kept.has(id)) merges.set(a * BASE + b, { rank, id });
  });
  return merges;
}

function encodeWord(model: Model, word: string): number[] {
  if (isWhole(model, word)) return [model.vocab.get(word) as number];
  return mergeAll(characters(model, word), model.merges);
}

/** Is a word taken as the token that it is, without merges? */
function isWhole({ vocab, ignoreMerges, kept }: Model, word: string): boolean {
  const id = ignoreMerges ? vocab.get(word) : undefined;
  return id !== undefined && !kept.has(id);
}

function isUnknown({ vocab, fallback, kept }: Model, character: string): boolean {
  const id = vocab.get(character);
  if (id !== undefined && !kept.has(id)) return false;
  return !fallback || bytesOf(character, vocab) === null;
}

/** A word's characters as ids; where one is unknown its bytes, else the unknown token, else nothing. */
function characters({ vocab, fallback, unknown, fuse, kept, marks, place }: Model, word: string): number[] {
  const ids: number[] = [];
  let pending = 0;
  const flush = (): void => {
    if (pending > 0 && unknown !== null) for (let i = 0; i < (fuse ? 1 : pending); i++) ids.push(unknown);
    pending = 0;
  };
  for (const character of word) {
    const id = vocab.get(character);
    if (id !== undefined && !kept.has(id)) {
      flush();
      ids.push(id);
      continue;
    }
    const bytes = fallback ? bytesOf(character, vocab) : null;
    if (bytes) {
      // As the library: an unknown character before them stays behind them.
      ids.push(...bytes);
    } else if (unknown !== null) {
      if (marks.has(unknown))
        throw new FileError(
          place.file,
          `${place.path}.unk_token marks turns in the chat template, and ${show(character)} is unknown to the tokenizer`,
        );
      if (!fuse) flush();
      pending++;
    }
  }
  flush();
  return ids;
}

function bytesOf(character: string, vocab: ReadonlyMap<string, number>): number[] | null {
  const ids: number[] = [];
  for (const byte of new TextEncoder().encode(character)) {
    const id = vocab.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    if (id === undefined) return null;
    ids.push(id);
  }
  return ids;
}

/** Merges until none applies; a heap of candidates, so n log n in the length of the word. */
function mergeAll(ids: number[], merges: ReadonlyMap<number, Merge>): number[] {
  const length = ids.length;
  if (length < 2) return ids;
  const next = Int32Array.from(ids, (_, i) => (i + 1 < length ? i + 1 : -1));
  const previous = Int32Array.from(ids, (_, i) => i - 1);
  const heap = new Heap();
  const offer = (left: number): void => {
    const right = left < 0 ? -1 : (next[left] as number);
    if (right < 0) return;
    const merge = merges.get((ids[left] as number) * BASE + (ids[right] as number));
    if (merge) heap.push(merge.rank, left, merge.id);
  };
  for (let i = 0; i + 1 < length; i++) offer(i);
  const gone = new Uint8Array(length);
  for (let top = heap.pop(); top; top = heap.pop()) {
    const { position: left, id } = top;
    const right = gone[left] ? -1 : (next[left] as number);
    if (right < 0) continue;
    // The pair may have changed since.
    if (merges.get((ids[left] as number) * BASE + (ids[right] as number))?.id !== id) continue;
    ids[left] = id;
    gone[right] = 1;
    const after = next[right] as number;
    next[left] = after;
    if (after >= 0) previous[after] = left;
    offer(previous[left] as number);
    offer(left);
  }
  return ids.filter((_, i) => !gone[i]);
}
