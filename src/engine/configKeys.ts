/** Which keys a configuration may have: those that are read, and those that are known to be harmless. Every other one is refused. */
import { isRecord, shown, type Fields } from './configValues';
import { ConfigError, UnknownKeysError } from './errors';
import { isHarmless, type Harmless } from './harmlessKeys';
import type { JsonFile } from './json';

/** Keys of config.json that are read. */
export const MODEL_KEYS: readonly string[] = [
  'architectures',
  'attention_bias',
  'bos_token_id',
  'compression_config',
  'eos_token_id',
  'head_dim',
  'hidden_act',
  'hidden_size',
  'intermediate_size',
  'layer_types',
  'max_position_embeddings',
  'mlp_bias',
  'model_type',
  'num_attention_heads',
  'num_hidden_layers',
  'num_key_value_heads',
  'partial_rotary_factor',
  'quantization',
  'quantization_config',
  'rms_norm_eps',
  'rope_parameters',
  'rope_scaling',
  'rope_theta',
  'sliding_window',
  'tie_word_embeddings',
  'use_sliding_window',
  'vocab_size',
];

/**
 * @param read keys that somebody reads and checks
 * @param harmless keys that change nothing, or nothing with certain values
 * @param lines where keys stand, if it is known
 * @throws UnknownKeysError that names every key that is neither
 */
export function checkKeys(
  fields: Fields,
  read: readonly string[],
  harmless: Readonly<Record<string, Harmless>>,
  lines: ReadonlyMap<string, number>,
  file: string,
): void {
  const unknown = Object.keys(fields).filter((key) => {
    if (fields[key] === undefined || read.includes(key)) return false;
    return !Object.hasOwn(harmless, key) || !isHarmless(harmless[key] as Harmless, fields[key]);
  });
  if (unknown.length === 0) return;
  const said = unknown.slice(0, MOST_NAMED).map((key) => {
    const line = lines.get(key);
    return `${JSON.stringify(key)}: ${shown(fields[key])}${line === undefined ? '' : ` (line ${line})`}`;
  });
  const more = unknown.length > MOST_NAMED ? ` and ${unknown.length - MOST_NAMED} more` : '';
  const which = unknown.length === 1 ? 'a setting that is' : 'settings that are';
  const problem =
    `has ${which} not known here and may change what the model computes: ${said.join(', ')}${more}. ` +
    adviceToIgnore(unknown);
  throw new UnknownKeysError(file, problem, unknown);
}

const MOST_NAMED = 8;

/** What people can do about keys that are not known. */
export function adviceToIgnore(keys: readonly string[]): string {
  const options = keys.slice(0, MOST_NAMED).map((key) => `--ignore-config ${quoted(key)}`);
  return `Choose another model, or load this one all the same without (on the command line: ${options.join(' ')})`;
}

/** A key as one word of a shell, the empty one and those with spaces or signs too. */
function quoted(key: string): string {
  return /^[\w.-]+$/.test(key) ? key : `'${key.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * A configuration without some of its keys.
 * @param ignore keys, or ways into objects with dots; what the file has not is no fault
 * @returns the fields, a copy where something was left out, and which keys were there
 */
export function withoutKeys(fields: Fields, ignore: readonly string[]): { fields: Fields; ignored: string[] } {
  let left = fields;
  const ignored: string[] = [];
  for (const key of new Set(ignore)) {
    const without = withoutKey(left, key);
    if (without === null) continue;
    left = without;
    ignored.push(key);
  }
  return { fields: left, ignored: ignored.sort() };
}

/** Null when the key is not there. */
function withoutKey(fields: Fields, key: string): Fields | null {
  if (Object.hasOwn(fields, key)) {
    return Object.fromEntries(Object.entries(fields).filter(([name]) => name !== key));
  }
  const dot = key.indexOf('.');
  if (dot < 0) return null;
  const outer = key.slice(0, dot);
  const inner = Object.hasOwn(fields, outer) ? fields[outer] : undefined;
  const without = isRecord(inner) ? withoutKey(inner, key.slice(dot + 1)) : null;
  return without && { ...fields, [outer]: without };
}

/**
 * @param fields what is read of the file: numbers in what was left out do not matter
 * @param matters whether the value of an outermost key is used
 * @throws ConfigError for a number that is not finite under such a key, with its line
 */
export function refuseNonFinite(
  { nonFinite }: JsonFile,
  fields: Fields,
  matters: (key: string) => boolean,
  file: string,
): void {
  const found = nonFinite.find(({ path }) => matters(path[0] as string) && isThere(fields, path));
  if (found === undefined) return;
  const { text, line, path } = found;
  throw new ConfigError(
    file,
    `line ${line}: ${text.slice(0, 40)} in "${path.join('.')}" is not a finite number; correct the file`,
  );
}

function isThere(fields: Fields, path: readonly string[]): boolean {
  let at: unknown = fields;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return false;
    at = (at as Fields)[key];
  }
  return true;
}
