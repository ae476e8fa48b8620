/** Canonical JSON: one text for one value, so that digests of equal events are equal. */
import { LogError } from './errors';

/**
 * JSON with keys sorted by UTF-16 code units, no white space and numbers as JavaScript prints them (−0 as 0).
 * @throws LogError for what JSON would lose silently: undefined, NaN, infinities, functions and class instances, with its path.
 */
export function canonicalJson(value: unknown, path = '$'): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new LogError(`${path}: ${value} has no place in the log`);
      return JSON.stringify(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? arrayJson(value, path) : objectJson(value, path);
    default:
      throw new LogError(`${path}: ${typeof value} has no place in the log`);
  }
}

function arrayJson(items: unknown[], path: string): string {
  return `[${Array.from(items, (item, index) => canonicalJson(item, `${path}[${index}]`)).join(',')}]`;
}

function objectJson(value: object, path: string): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A foreign realm's plain object (structured clone in tests) has another Object.prototype, itself without prototype.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new LogError(`${path}: ${value.constructor.name} has no place in the log`);
  }
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item, `${path}.${key}`)}`).join(',')}}`;
}
