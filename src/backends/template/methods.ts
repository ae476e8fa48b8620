/** What texts and mappings can do in a template, as in Python. */
import { SPACE, TemplateError, TooMuchError } from './lexer';
import {
  Callable,
  integer,
  kindOf,
  LONGEST_PARTED,
  MOST_COMPARED,
  Words,
  words,
  type Arguments,
  type Value,
} from './values';

/** @param characters what is taken away; white space where it is none */
export function strip(value: Words, characters: Value | undefined, left: boolean, right: boolean): Words {
  const set = characters === undefined || characters === null ? null : new Set(words(characters, 'strip').text);
  const taken = (unit: string): boolean => (set ? set.has(unit) : SPACE.test(unit));
  let start = 0;
  let end = value.text.length;
  while (left && start < end && taken(value.text[start]!)) start++;
  while (right && end > start && taken(value.text[end - 1]!)) end--;
  return value.slice(start, end);
}

/** Pieces between separators, at most `most` cuts where it is not negative. */
function split(value: Words, separator: Value | undefined, most: number): Words[] {
  if (value.text.length > LONGEST_PARTED && most < 0)
    throw new TooMuchError(`a text of more than ${LONGEST_PARTED} characters is taken apart`);
  const cuts: [start: number, end: number][] = [];
  if (separator === undefined || separator === null) return splitSpace(value, most);
  const by = words(separator, 'split').text;
  if (by === '') throw new TemplateError('split is given an empty separator');
  let start = 0;
  for (let found = value.text.indexOf(by); found >= 0 && (most < 0 || cuts.length < most);) {
    cuts.push([start, found]);
    start = found + by.length;
    found = value.text.indexOf(by, start);
  }
  cuts.push([start, value.text.length]);
  return cuts.map(([from, to]) => value.slice(from, to));
}

function splitSpace(value: Words, most: number): Words[] {
  const parts: Words[] = [];
  let rest = strip(value, undefined, true, false);
  while (rest.text !== '') {
    let end = 0;
    while (end < rest.text.length && !SPACE.test(rest.text[end]!)) end++;
    if (most >= 0 && parts.length >= most) end = rest.text.length;
    parts.push(rest.slice(0, end));
    rest = strip(rest.slice(end), undefined, true, false);
  }
  return parts;
}

export function replace(value: Words, old: Value | undefined, by: Value | undefined, count = -1): Words {
  const pieces = split(value, old ?? null, count);
  const between = words(by ?? null, 'replace');
  return Words.join(pieces.flatMap((piece, i) => (i === 0 ? [piece] : [between, piece])));
}

/** Case changed character by character, so that each stays whose it is. */
export function mapped(value: Words, change: (character: string, index: number) => string): Words {
  if (!value.content) return new Words(Array.from(value.text, change).join(''));
  let start = 0;
  const parts = Array.from(value.text, (character, i) => {
    const content = value.content?.[start] === 1;
    start += character.length;
    return Words.of(change(character, i), content);
  });
  return Words.join(parts);
}

export const upper = (value: Words): Words => mapped(value, (character) => character.toUpperCase());
export const lower = (value: Words): Words => mapped(value, (character) => character.toLowerCase());
export const capitalize = (value: Words): Words =>
  mapped(value, (character, i) => (i === 0 ? character.toUpperCase() : character.toLowerCase()));

/** Letters behind a letter are small. */
export function title(value: Words): Words {
  let inside = false;
  return mapped(value, (character) => {
    const letter = /\p{L}/u.test(character);
    const changed = inside ? character.toLowerCase() : character.toUpperCase();
    inside = letter;
    return changed;
  });
}

function affix(value: Words, given: Value | undefined, test: (affix: string) => boolean): boolean {
  const options = Array.isArray(given) ? given : [given ?? null];
  return options.some((option) => test(words(option, 'startswith').text));
}

const TEXT_METHODS: Record<string, (value: Words, given: Value[]) => Value> = {
  strip: (value, [characters]) => strip(value, characters, true, true),
  lstrip: (value, [characters]) => strip(value, characters, true, false),
  rstrip: (value, [characters]) => strip(value, characters, false, true),
  split: (value, [separator, most]) => split(value, separator, most === undefined ? -1 : integer(most, 'split')),
  replace: (value, [old, by, count]) => replace(value, old, by, count === undefined ? -1 : integer(count, 'replace')),
  startswith: (value, [start]) => affix(value, start, (one) => value.text.startsWith(one)),
  endswith: (value, [end]) => affix(value, end, (one) => value.text.endsWith(one)),
  find: (value, [part]) => {
    const found = value.text.indexOf(words(part ?? null, 'find').text);
    return found < 0 ? -1 : Array.from(value.text.slice(0, found)).length;
  },
  upper: (value) => upper(value),
  lower: (value) => lower(value),
  title: (value) => title(value),
  capitalize: (value) => capitalize(value),
};

function mappingMethod(map: Map<string, Value>, name: string): ((given: Value[]) => Value) | null {
  switch (name) {
    case 'items':
      return () => [...map].map(([key, value]) => [new Words(key), value]);
    case 'keys':
      return () => [...map.keys()].map((key) => new Words(key));
    case 'values':
      return () => [...map.values()];
    case 'get':
      return ([key, otherwise]) => map.get(words(key ?? null, 'get').text) ?? otherwise ?? null;
    default:
      return null;
  }
}

/** A method, or null where a value of this kind has none of that name. */
export function method(value: Value, name: string): Callable | null {
  const positional = ({ list, named }: Arguments): Value[] => {
    if (named.size > 0) throw new TemplateError(`${name} is given arguments by name, which is not done here`);
    return list;
  };
  if (value instanceof Words && Object.hasOwn(TEXT_METHODS, name)) {
    const call = TEXT_METHODS[name] as (value: Words, given: Value[]) => Value;
    return new Callable(name, (given) => call(value, positional(given)));
  }
  if (value instanceof Map) {
    const call = mappingMethod(value, name);
    return call && new Callable(name, (given) => call(positional(given)));
  }
  return null;
}

const DEEPEST_JSON = 100;

/** As Python's json.dumps writes it under `ensure_ascii=False`. */
export function toJson(value: Value, indent: number | null, level = 0, left = { values: MOST_COMPARED }): Words {
  if (--left.values < 0 || level > DEEPEST_JSON) throw new TooMuchError('tojson is given too much');
  if (value === null) return new Words('null');
  if (typeof value === 'boolean') return new Words(String(value));
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TemplateError('tojson is given a fraction, which is not written here');
    return new Words(String(value));
  }
  // JSON.stringify escapes DEL and lone surrogates as json.dumps does not; neither is in well-formed text that matters here.
  if (value instanceof Words) return value.reshaped(JSON.stringify(value.text));
  const line = indent === null ? '' : `\n${' '.repeat(indent * (level + 1))}`;
  const last = indent === null ? '' : `\n${' '.repeat(indent * level)}`;
  const comma = new Words(indent === null ? ', ' : `,${line}`);
  const list = (open: string, parts: Words[], close: string): Words =>
    parts.length === 0
      ? new Words(open + close)
      : Words.join([
          new Words(open + line),
          ...parts.flatMap((part, i) => (i === 0 ? [part] : [comma, part])),
          new Words(last + close),
        ]);
  if (Array.isArray(value))
    return list(
      '[',
      value.map((one) => toJson(one, indent, level + 1, left)),
      ']',
    );
  if (value instanceof Map)
    return list(
      '{',
      [...value].map(([key, one]) =>
        Words.join([new Words(`${JSON.stringify(key)}: `), toJson(one, indent, level + 1, left)]),
      ),
      '}',
    );
  throw new TemplateError(`tojson is given ${kindOf(value)}`);
}
