/** Reading of command-line options with errors a person can act on. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { PolylogueError } from '../../src/engine/errors';
import { clipped } from '../../src/tasks/textLines';
import { CACHE_DTYPES, WEIGHT_DTYPES, type CacheDtype, type WeightDtype } from '../../src/engine/types';

/** The command line asks for something that cannot be understood. */
export class UsageError extends PolylogueError {}

/** Ctrl-C was pressed; the message says what is left of the work. */
export class InterruptedError extends PolylogueError {
  constructor(left: string) {
    super(`interrupted; ${left}`);
  }
}

type Options = NonNullable<ParseArgsConfig['options']>;
export type Values = Record<string, string | boolean | string[] | undefined>;

/** Parses the arguments of one command; unknown options and stray words are errors. */
export function readOptions(args: string[], options: Options): Values {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: false }).values as Values;
  } catch (error) {
    const message = (error as Error).message.replace(/\s*\n\s*/g, ' ').replace(/\.$/, '');
    throw new UsageError(`${message}; --help lists the options`);
  }
}

export function required(values: Values, name: string): string {
  const value = values[name];
  if (typeof value !== 'string' || value === '') throw new UsageError(`--${name} is missing`);
  return value;
}

export function text(values: Values, name: string): string | undefined {
  return values[name] as string | undefined;
}

interface NumberRule {
  integer?: boolean;
  min?: number;
  /** Smallest allowed value is itself not allowed. */
  above?: number;
  max?: number;
}

/** A number option inside its range, or the fallback when absent. */
export function number<T extends number | undefined>(
  values: Values,
  name: string,
  fallback: T,
  rule: NumberRule = {},
): number | T {
  const given = values[name];
  if (given === undefined) return fallback;
  const value = given === '' ? NaN : Number(given);
  if (!Number.isFinite(value)) throw new UsageError(`--${name}: "${clipped(String(given))}" is not a number`);
  if (rule.integer && !Number.isInteger(value)) throw new UsageError(`--${name}: ${value} is not a whole number`);
  if (rule.integer && !Number.isSafeInteger(value))
    throw new UsageError(
      `--${name}: ${String(given)} is above ${Number.MAX_SAFE_INTEGER}, beyond which not every whole number is told from its neighbours`,
    );
  if (rule.min !== undefined && value < rule.min) throw new UsageError(`--${name}: ${value} is below ${rule.min}`);
  if (rule.above !== undefined && value <= rule.above) throw new UsageError(`--${name}: must be above ${rule.above}`);
  if (rule.max !== undefined && value > rule.max) throw new UsageError(`--${name}: ${value} is above ${rule.max}`);
  return value;
}

/** One of a few words. */
export function choice<T extends string>(values: Values, name: string, allowed: readonly T[], fallback: T): T {
  const given = values[name];
  if (given === undefined) return fallback;
  if (!allowed.includes(given as T))
    throw new UsageError(`--${name}: "${String(given)}" is none of ${allowed.join(', ')}`);
  return given as T;
}

/** "1,2,3" as token ids. */
export function idList(given: string): number[] {
  return wholeNumbers(given, 'ids', 'a token id');
}

/**
 * "1,2,3", of an option that takes several whole numbers from 0 on.
 * @param what one of them is, in an error
 */
export function wholeNumbers(given: string, option: string, what: string): number[] {
  return given.split(',').map((part) => {
    const value = /^\s*\d+\s*$/.test(part) ? Number(part) : NaN;
    if (!Number.isSafeInteger(value) || value < 0)
      throw new UsageError(
        `--${option}: "${clipped(part.trim())}" is not ${what}; give whole numbers from 0 on, as 1,2,3`,
      );
    return value;
  });
}

const ENGINES = ['auto', 'webgpu', 'exact', 'reference', 'torch'] as const;
export type EngineName = (typeof ENGINES)[number];

/** Which engine a command is to use. */
export interface EngineChoice {
  name: EngineName;
  /** Threads of the exact engine; null = as many as the machine has cores. */
  workers: number | null;
}

/** More threads than any machine has cores for. */
const MOST_WORKERS = 256;

/** `--engine` and `--workers`, of every command that computes; for `readOptions` of each. */
export const ENGINE_OPTIONS = { engine: { type: 'string' }, workers: { type: 'string' } } as const;

/** @throws UsageError for an unknown engine, or workers of one that has none */
export function engineChoice(values: Values): EngineChoice {
  const name = choice(values, 'engine', ENGINES, 'auto');
  if (values['workers'] === undefined) return { name, workers: null };
  if (name !== 'exact' && name !== 'auto') throw new UsageError(`--workers goes with --engine exact, not ${name}`);
  return { name, workers: number(values, 'workers', 1, { integer: true, min: 1, max: MOST_WORKERS }) };
}

/** The lines of both in every command's help; `width` is its column of names. */
export function engineHelp(width: number): string {
  const line = (name: string, text: string): string => `  ${name.padEnd(width)} ${text}`;
  return [
    line(
      '--engine NAME',
      'auto, webgpu, exact (WebAssembly) or reference (plain TypeScript: the same results as exact,',
    ),
    line('', 'slower); default auto: webgpu on a GPU, exact elsewhere'),
    line('--workers N', 'threads of the exact engine; default one a core; results do not depend on it'),
  ].join('\n');
}

/** How the frozen weights are kept: `--dtype`, or another option that names a format. */
export function dtypeOption(values: Values, option = 'dtype'): WeightDtype {
  return choice(values, option, WEIGHT_DTYPES, 'f32');
}

/** The same line in every command's help; `width` is its column of names. */
export function dtypeHelp(width: number): string {
  return `  ${'--dtype NAME'.padEnd(width)} frozen weights as f32, f16, int8 or int4 (groups of 32); default f32`;
}

/** `--ignore-config KEY`, of every command that loads a model; the same for `readOptions` of each. */
export const IGNORE_CONFIG = { 'ignore-config': { type: 'string', multiple: true } } as const;

/** The keys of config.json that are to be ignored, each once. */
export function ignoredKeys(values: Values): string[] {
  const given = (values['ignore-config'] as string[] | undefined) ?? [];
  return [...new Set(given)].sort();
}

/** As `dtypeHelp`. */
export function ignoreHelp(width: number): string {
  return `  ${'--ignore-config KEY'.padEnd(width)} load the model without this key of its config.json, which is not known here; may be repeated`;
}

/** What was ignored, in a result; nothing where nothing was. */
export function ignoredIn({ ignored }: { ignored?: readonly string[] }): { ignored_config?: readonly string[] } {
  return ignored ? { ignored_config: ignored } : {};
}

/** `--cache`: how keys and values are kept. */
export function cacheOption(values: Values): 'auto' | CacheDtype {
  return choice(values, 'cache', ['auto', ...CACHE_DTYPES], 'auto');
}

/** As `dtypeHelp`. */
export function cacheHelp(width: number): string {
  return `  ${'--cache NAME'.padEnd(width)} keys and values as f32, f16 or auto: f16 where packed weights are computed in f16; default auto`;
}
