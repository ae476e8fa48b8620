/** Fields of tokenizer.json, read by name: what is not known is refused with its path in the file. */
import { FileError } from '../../engine/errors';

export type Json = Record<string, unknown>;

/** A place in a file, for messages. */
export interface Place {
  file: string;
  /** Of the field, such as `model.vocab`. */
  path: string;
}

export const at = ({ file, path }: Place, field: string): Place => ({ file, path: path ? `${path}.${field}` : field });

/** @throws FileError always: that this cannot be followed, and where it stands */
export function refuse({ file, path }: Place, problem: string): never {
  throw new FileError(file, `${path}: ${problem}`);
}

export function object(value: unknown, place: Place): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(place, 'is not an object');
  return value as Json;
}

export function list(value: unknown, place: Place, most: number): unknown[] {
  if (!Array.isArray(value)) return refuse(place, 'is not a list');
  if (value.length > most) return refuse(place, `has ${value.length} entries, and at most ${most} are read`);
  return value;
}

export function text(value: unknown, place: Place, most = 1000): string {
  if (typeof value !== 'string') return refuse(place, `is ${show(value)}, not text`);
  if (value.length > most) return refuse(place, `has ${value.length} characters, and at most ${most} are read`);
  return value;
}

export function flag(value: unknown, place: Place, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  return typeof value === 'boolean' ? value : refuse(place, `is ${show(value)}, neither true nor false`);
}

export function whole(value: unknown, place: Place, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most)
    return refuse(place, `is ${show(value)}, not a whole number from 0 to ${most}`);
  return value;
}

/** @throws FileError for a field that is on neither list of names */
export function known(value: Json, names: readonly string[], place: Place): void {
  const other = Object.keys(value).find((name) => !names.includes(name));
  if (other !== undefined) refuse(at(place, other), 'is a field that this lab does not know; it may change the tokens');
}

/** @throws FileError where a field asks for something: it may be absent, null, false, 0 or '' only */
export function unset(value: Json, name: string, place: Place): void {
  const asked = value[name];
  if (asked === undefined || asked === null || asked === false || asked === 0 || asked === '') return;
  refuse(at(place, name), `is ${show(asked)}, which this lab does not do`);
}

export const show = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 60);

/** How deep sequences of sequences may go. */
export const DEEPEST = 8;
/** Parts of one sequence. */
export const MOST_PARTS = 64;

/**
 * The parts of a `Sequence`, made one by one.
 * @param field where they stand: normalizers, pretokenizers or decoders
 * @param depth how many sequences are around it
 * @throws FileError for a sequence that is too deep or too long
 */
export function sequenceParts<T>(
  asked: Json,
  field: string,
  place: Place,
  depth: number,
  make: (part: unknown, place: Place, depth: number) => T,
): T[] {
  known(asked, ['type', field], place);
  if (depth >= DEEPEST) refuse(place, `is nested deeper than ${DEEPEST}`);
  const inside = at(place, field);
  return list(asked[field], inside, MOST_PARTS).map((part, i) => make(part, at(inside, String(i)), depth + 1));
}
