/** What a setting accepts: as text (from a command line or a link) or as what it is. Each throws `ConfigurationError` with the key. */
import { PROJECTIONS, type Projection } from '../engine/types';
import { ConfigurationError } from './errors';

/** Characters of a value that a message quotes. */
const LONGEST = 60;

/** @returns the setting's value */
export type Reader = (key: string, value: unknown) => unknown;

export function number(low: number, high: number, bound: 'from' | 'above' = 'from'): Reader {
  return (key, value) => {
    const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    const fits = typeof parsed === 'number' && (bound === 'above' ? parsed > low : parsed >= low) && parsed <= high;
    if (!fits) throw new ConfigurationError(key, `${show(value)} is not a number ${bound} ${low} up to ${high}`);
    return parsed;
  };
}

export function integer(low: number, high: number): Reader {
  const read = number(low, high);
  return (key, value) => {
    const parsed = read(key, value);
    if (!Number.isInteger(parsed)) throw new ConfigurationError(key, `${show(value)} is not a whole number`);
    return parsed;
  };
}

export function choice(...choices: string[]): Reader {
  return (key, value) => {
    if (typeof value === 'string' && choices.includes(value)) return value;
    throw new ConfigurationError(key, `${show(value)} is not one of ${choices.join(', ')}`);
  };
}

export function text(): Reader {
  return (key, value) => {
    if (typeof value === 'string' && value !== '') return value;
    throw new ConfigurationError(key, `${show(value)} is not a name`);
  };
}

export function sha256(): Reader {
  return (key, value) => {
    if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value;
    throw new ConfigurationError(key, `${show(value)} is not a sha-256 in 64 hexadecimal digits`);
  };
}

/** Names, as a list or as text with commas: each once, sorted. */
export function names(): Reader {
  return (key, value) => {
    const list: unknown = typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value;
    const read = text();
    if (!Array.isArray(list)) throw new ConfigurationError(key, `${show(value)} is not a list of names`);
    return [...new Set(list.map((name) => read(key, name) as string))].sort();
  };
}

export function flag(): Reader {
  return (key, value) => {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    throw new ConfigurationError(key, `${show(value)} is neither true nor false`);
  };
}

export function orNone(read: Reader): Reader {
  return (key, value) => (value === null || value === 'none' ? null : read(key, value));
}

export function projections(): Reader {
  return (key, value) => {
    const names: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [];
    const wrong = names.find((name) => !PROJECTIONS.includes(name as Projection));
    if (names.length === 0 || wrong !== undefined) {
      throw new ConfigurationError(key, `${show(wrong ?? value)} is not one of ${PROJECTIONS.join(', ')}`);
    }
    // The order is fixed, so that equal sets give equal logs.
    return PROJECTIONS.filter((name) => names.includes(name));
  };
}

/** A value as messages quote it: the beginning of a long one. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
