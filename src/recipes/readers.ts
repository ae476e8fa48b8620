/** What a setting accepts: as text (from a command line or a link) or as what it is. Each throws `ConfigurationError` with the key. */
import { PROJECTIONS, type Projection } from '../engine/types';
import { ConfigurationError } from './errors';

/** Characters of a value that a message quotes. */
const LONGEST = 60;

/** What a setting accepts, for people and programs. */
export type Accepts =
  | {
      type: 'integer' | 'number';
      min: number;
      max: number;
      /** The minimum itself is refused. */ above?: true;
      none?: true;
    }
  | { type: 'choice'; choices: readonly string[] }
  | { type: 'list'; of: readonly string[] | 'names' }
  | { type: 'flag' | 'text' | 'model' | 'sha256' };

export interface Reader<T> {
  accepts: Accepts;
  /** @throws ConfigurationError that names the key and what it accepts */
  read(key: string, value: unknown): T;
}

export function number(min: number, max: number, bound: 'from' | 'above' = 'from'): Reader<number> {
  return {
    accepts: { type: 'number', min, max, ...(bound === 'above' && { above: true }) },
    read(key, value) {
      const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      const fits = typeof parsed === 'number' && (bound === 'above' ? parsed > min : parsed >= min) && parsed <= max;
      if (!fits) throw new ConfigurationError(key, `${show(value)} is not a number ${bound} ${min} up to ${max}`);
      return parsed;
    },
  };
}

export function integer(min: number, max: number): Reader<number> {
  const { read } = number(min, max);
  return {
    accepts: { type: 'integer', min, max },
    read(key, value) {
      const parsed = read(key, value);
      if (!Number.isInteger(parsed)) throw new ConfigurationError(key, `${show(value)} is not a whole number`);
      return parsed;
    },
  };
}

export function choice<const T extends readonly string[]>(...choices: T): Reader<T[number]> {
  return {
    accepts: { type: 'choice', choices },
    read(key, value) {
      if (typeof value === 'string' && choices.includes(value)) return value;
      throw new ConfigurationError(key, `${show(value)} is not one of ${choices.join(', ')}`);
    },
  };
}

export function text(): Reader<string> {
  return {
    accepts: { type: 'text' },
    read(key, value) {
      if (typeof value === 'string' && value !== '') return value;
      throw new ConfigurationError(key, `${show(value)} is not a name`);
    },
  };
}

/** A model as `config.model` names it, or none. */
export function modelOrNone(): Reader<string> {
  return { accepts: { type: 'model' }, read: text().read };
}

export function sha256(): Reader<string> {
  return {
    accepts: { type: 'sha256' },
    read(key, value) {
      if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value;
      throw new ConfigurationError(key, `${show(value)} is not a sha-256 in 64 hexadecimal digits`);
    },
  };
}

/** Names, as a list or as text with commas: each once, sorted. */
export function names(): Reader<string[]> {
  return {
    accepts: { type: 'list', of: 'names' },
    read(key, value) {
      const list: unknown = typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value;
      if (!Array.isArray(list)) throw new ConfigurationError(key, `${show(value)} is not a list of names`);
      const { read } = text();
      return [...new Set(list.map((name) => read(key, name)))].sort();
    },
  };
}

export function flag(): Reader<boolean> {
  return {
    accepts: { type: 'flag' },
    read(key, value) {
      if (value === true || value === 'true') return true;
      if (value === false || value === 'false') return false;
      throw new ConfigurationError(key, `${show(value)} is neither true nor false`);
    },
  };
}

/** A number, or none of it. */
export function orNone(reader: Reader<number>): Reader<number | null> {
  return {
    accepts: { ...reader.accepts, none: true } as Accepts,
    read: (key, value) => (value === null || value === 'none' ? null : reader.read(key, value)),
  };
}

export function projections(): Reader<Projection[]> {
  return some(PROJECTIONS);
}

/** Some of a few words, at least one, as a list or as text with commas. */
export function some<const T extends string>(of: readonly T[]): Reader<T[]> {
  return {
    accepts: { type: 'list', of },
    read(key, value) {
      const names: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [];
      const wrong = names.find((name) => !of.includes(name as T));
      if (names.length === 0 || wrong !== undefined) {
        throw new ConfigurationError(key, `${show(wrong ?? value)} is not one of ${of.join(', ')}`);
      }
      // The order is fixed, so that equal sets give equal logs.
      return of.filter((name) => names.includes(name));
    },
  };
}

/** A value as messages quote it: the beginning of a long one. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
