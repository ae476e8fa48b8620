/** Values of a template. Texts know which of their characters stand in a message (`Words.content`). */
import { TemplateError, TooMuchError } from './lexer';

/** Characters of one text at most, and of one that is taken apart into characters. */
const LONGEST_TEXT = 20_000_000;
export const LONGEST_PARTED = 1_000_000;
/** Values that are looked at to compare two, or to write one as JSON: lists may hold the same list often. */
export const MOST_COMPARED = 100_000;

/** A text; `content` has a flag for each UTF-16 unit, null where the template wrote all of it. */
export class Words {
  constructor(
    readonly text: string,
    readonly content: Uint8Array | null = null,
  ) {}

  /** @param content true = somebody's words */
  static of(text: string, content: boolean): Words {
    return new Words(text, content ? new Uint8Array(text.length).fill(1) : null);
  }

  slice(start: number, end = this.text.length): Words {
    return new Words(this.text.slice(start, end), this.content?.subarray(start, end) ?? null);
  }

  /** @throws TemplateError for a text that is too long, before it is made */
  static join(parts: readonly Words[]): Words {
    let length = 0;
    for (const part of parts) length += part.text.length;
    if (length > LONGEST_TEXT) throw new TooMuchError(`makes a text of more than ${LONGEST_TEXT} characters`);
    const text = parts.map((part) => part.text).join('');
    if (parts.every((part) => part.content === null)) return new Words(text);
    const content = new Uint8Array(text.length);
    let start = 0;
    for (const part of parts) {
      if (part.content) content.set(part.content, start);
      start += part.text.length;
    }
    return new Words(text, content);
  }

  /** The same words in another shape: all of them somebody's where any are. */
  reshaped(text: string): Words {
    return Words.of(text, this.content?.some(Boolean) ?? false);
  }
}

/** A name that means nothing. */
export class Missing {
  constructor(readonly name: string) {}
}

/** `namespace()`: its entries can be set. */
export class Namespace {
  constructor(readonly entries: Map<string, Value>) {}
}

export interface Arguments {
  list: Value[];
  named: Map<string, Value>;
}

/** Something that can be called. */
export class Callable {
  constructor(
    readonly name: string,
    readonly call: (given: Arguments) => Value,
  ) {}
}

export type Value = null | boolean | number | Words | Missing | Namespace | Callable | Value[] | Map<string, Value>;

export function truthy(value: Value): boolean {
  if (value instanceof Words) return value.text !== '';
  if (value instanceof Missing || value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return typeof value === 'object' ? true : Boolean(value);
}

export function kindOf(value: Value): string {
  if (value === null) return 'none';
  if (value instanceof Words) return 'a text';
  if (value instanceof Missing) return `${value.name}, which is not defined`;
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'a mapping';
  if (value instanceof Callable) return `the function ${value.name}`;
  if (value instanceof Namespace) return 'a namespace';
  return String(value);
}

/** What a value writes. @throws TemplateError for lists, mappings and fractions, which Python writes in ways of its own */
export function written(value: Value): Words {
  if (value instanceof Words) return value;
  if (value instanceof Missing) return new Words('');
  if (value === null) return new Words('None');
  if (typeof value === 'boolean') return new Words(value ? 'True' : 'False');
  if (typeof value === 'number' && Number.isSafeInteger(value)) return new Words(String(value));
  throw new TemplateError(`${kindOf(value)} cannot be written into a prompt`);
}

export function words(value: Value, of: string): Words {
  if (value instanceof Words) return value;
  throw new TemplateError(`${of} asks for a text and is given ${kindOf(value)}`);
}

export function integer(value: Value, of: string): number {
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new TemplateError(`${of} asks for a whole number and is given ${kindOf(value)}`);
}

/** @param left values that may still be looked at */
export function equal(a: Value, b: Value, left = { values: MOST_COMPARED }): boolean {
  if (--left.values < 0) throw new TooMuchError(`compares more than ${MOST_COMPARED} values at once`);
  if (a instanceof Words && b instanceof Words) return a.text === b.text;
  if (a instanceof Missing && b instanceof Missing) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((one, i) => equal(one, b[i] as Value, left));
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([key, one]) => b.has(key) && equal(one, b.get(key) as Value, left));
  const number = (value: Value): Value => (typeof value === 'boolean' ? Number(value) : value);
  return number(a) === number(b);
}

/** Of a list, a text's characters, or a mapping's keys. */
export function itemsOf(value: Value, of: string): Value[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Missing) return [];
  if (value instanceof Map) return [...value.keys()].map((key) => new Words(key));
  if (value instanceof Words) {
    if (value.text.length > LONGEST_PARTED)
      throw new TooMuchError(`${of} takes a text of more than ${LONGEST_PARTED} characters apart`);
    let start = 0;
    return Array.from(value.text, (character) => value.slice(start, (start += character.length)));
  }
  throw new TemplateError(`${of} asks for a list and is given ${kindOf(value)}`);
}
