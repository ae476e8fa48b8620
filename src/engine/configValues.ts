/** Values of a configuration, each checked against the range that makes sense. */
import { ConfigError } from './errors';
import { checkLimit, type Limit } from './limits';

export type Fields = Record<string, unknown>;

export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a key has a value other than null. */
export function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** A positive whole number within its bound. @throws ConfigError */
export function count(json: Fields, key: string, limit: Limit, file: string, fallback?: number): number {
  const value = json[key] ?? fallback;
  if (value === undefined) throw new ConfigError(file, `has no "${key}"`);
  if (!Number.isInteger(value) || (value as number) < 1) {
    throw new ConfigError(file, `"${key}" is ${shown(value)}, not a positive integer`);
  }
  checkLimit(value as number, limit, (problem) => new ConfigError(file, `"${key}": ${problem}`));
  return value as number;
}

/** A positive number of at most `max`. @throws ConfigError */
export function positive(
  json: Fields,
  key: string,
  file: string,
  { fallback, max = 1e15 }: { fallback?: number; max?: number } = {},
): number {
  const value = json[key] ?? fallback;
  if (value === undefined) throw new ConfigError(file, `has no "${key}"`);
  if (typeof value !== 'number' || !(value > 0 && value <= max)) {
    throw new ConfigError(file, `"${key}" is ${shown(value)}, not a positive number up to ${max}`);
  }
  return value;
}

/** @throws ConfigError */
export function boolean(json: Fields, key: string, file: string, fallback: boolean): boolean {
  const value = json[key] ?? fallback;
  if (typeof value !== 'boolean') throw new ConfigError(file, `"${key}" is ${shown(value)}, not true or false`);
  return value;
}

/** A value in a message; JSON has no word for what is not finite. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  const kind = typeof value === 'string' ? ' (text)' : '';
  return (text.length > 80 ? `${text.slice(0, 80)}…` : text) + kind;
}
