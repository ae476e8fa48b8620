/**
 * adapter_config.json of PEFT (src/peft/tuners/lora/config.py) → AdapterConfig. Keys that are read have to make sense, keys of
 * `harmlessKeys.ts` pass, every other one is refused by name: it would make another model of the adapter than PEFT does.
 */
import { projectionPath } from './config';
import { refuseNonFinite } from './configKeys';
import { isRecord, shown, type Fields } from './configValues';
import { AdapterError, ConfigError } from './errors';
import { HARMLESS_ADAPTER_KEYS, isHarmless } from './harmlessKeys';
import { jsonObject, type JsonFile } from './json';
import { checkLimit, MODEL_LIMITS } from './limits';
import { PROJECTIONS, type AdapterConfig, type Projection } from './types';

/** Keys that are read. */
export const ADAPTER_KEYS: readonly string[] = [
  'peft_type',
  'r',
  'lora_alpha',
  'target_modules',
  'bias',
  'use_rslora',
  'modules_to_save',
];

/** What PEFT writes for a model that classifies sequences, whose head (`score`) is trained whole and kept with the adapter. */
export const HEAD_TASK = 'SEQ_CLS';
export const HEAD_MODULES: readonly string[] = ['classifier', 'score'];

/** PEFT's own defaults. */
const DEFAULT_RANK = 8;
const DEFAULT_ALPHA = 8;

/** @throws AdapterError when rank, alpha or targets make no sense */
export function checkAdapterConfig(adapter: AdapterConfig, what = 'adapter'): void {
  if (!Number.isInteger(adapter.rank) || adapter.rank < 1) {
    throw new AdapterError(`${what}: rank is ${adapter.rank}, not a positive integer`);
  }
  checkLimit(adapter.rank, MODEL_LIMITS.rank, (problem) => new AdapterError(`${what}: ${problem}`));
  if (!Number.isFinite(adapter.alpha) || adapter.alpha <= 0) {
    throw new AdapterError(`${what}: alpha is ${adapter.alpha}, not a positive number`);
  }
  const unknown = adapter.targets.find((target) => !PROJECTIONS.includes(target));
  if (unknown !== undefined) {
    throw new AdapterError(`${what}: target ${String(unknown)} is not one of ${PROJECTIONS.join(', ')}`);
  }
  if (adapter.targets.length === 0) throw new AdapterError(`${what}: has no targets`);
}

/** Checks the value of an adapter_config.json. @throws AdapterError naming the file and the field */
export function parseAdapterConfig(json: unknown, file: string): AdapterConfig {
  return readAdapterConfig({ value: json, lines: new Map(), nonFinite: [] }, file);
}

/** As `parseAdapterConfig`, of a file that was read with `readJson`: faults are reported by line. */
export function readAdapterConfig(read: JsonFile, file: string): AdapterConfig {
  const refuse = (problem: string): never => {
    throw new AdapterError(`${file}: ${problem}`);
  };
  const fields = asAdapterError(() => jsonObject(read.value, file));
  if (fields.peft_type !== 'LORA')
    refuse(`peft_type ${shown(fields.peft_type ?? null)} is not supported (only "LORA")`);
  checkKeys(fields, read, file);
  asAdapterError(() => refuseNonFinite(read, fields, (key) => !Object.hasOwn(HARMLESS_ADAPTER_KEYS, key), file));
  if (fields.bias !== undefined && fields.bias !== 'none') {
    refuse(`bias ${shown(fields.bias)} is not supported (only "none"); train the adapter without it`);
  }
  const rslora = fields.use_rslora ?? false;
  if (typeof rslora !== 'boolean') refuse(`"use_rslora" is ${shown(rslora)}, not true or false`);
  const config: AdapterConfig = {
    rank: number(fields, 'r', DEFAULT_RANK, file),
    alpha: number(fields, 'lora_alpha', DEFAULT_ALPHA, file),
    targets: parseTargets(fields.target_modules, file),
  };
  if (rslora === true) config.rslora = true;
  if (readHead(fields, refuse)) config.head = true;
  checkAdapterConfig(config, file);
  return config;
}

/** Whether the adapter carries a head: it does where the score of a classifier of sequences is saved. */
function readHead(fields: Fields, refuse: (problem: string) => never): boolean {
  const modules = fields.modules_to_save ?? null;
  const saved = Array.isArray(modules) ? modules.map(String) : null;
  if (modules !== null && (saved === null || saved.some((name) => !HEAD_MODULES.includes(name))))
    refuse(
      `modules_to_save ${shown(modules)} is not supported, only the head of a reward model (score, with task_type "${HEAD_TASK}")`,
    );
  const head = saved !== null && saved.length > 0;
  if (head !== (fields.task_type === HEAD_TASK))
    refuse(`task_type ${shown(fields.task_type ?? null)} and modules_to_save ${shown(modules)} do not belong together`);
  return head;
}

function checkKeys(fields: Fields, { lines }: JsonFile, file: string): void {
  const unknown = Object.keys(fields).filter((key) => {
    if (ADAPTER_KEYS.includes(key)) return false;
    return !Object.hasOwn(HARMLESS_ADAPTER_KEYS, key) || !isHarmless(HARMLESS_ADAPTER_KEYS[key]!, fields[key]);
  });
  if (unknown.length === 0) return;
  const said = unknown.slice(0, 8).map((key) => {
    const line = lines.get(key);
    return `${key} ${shown(fields[key])}${line === undefined ? '' : ` (line ${line})`}`;
  });
  const more = unknown.length > 8 ? ` and ${unknown.length - 8} more` : '';
  throw new AdapterError(
    `${file}: ${said.join(', ')}${more} is not supported: the adapter would compute something else here than in PEFT. ` +
      'Train or export a plain LoRA adapter',
  );
}

function number(fields: Fields, key: string, fallback: number, file: string): number {
  const value = fields[key] === undefined ? fallback : fields[key];
  if (typeof value === 'number') return value;
  const advice = typeof value === 'string' ? ', not a number; write it without quotes' : ', not a number';
  throw new AdapterError(`${file}: "${key}" is ${shown(value)}${advice}`);
}

/** Of faults in the file's text, so that all faults of an adapter are of one type. */
function asAdapterError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfigError) throw new AdapterError(error.message, { cause: error });
    throw error;
  }
}

function parseTargets(value: unknown, file: string): Projection[] {
  if (value === 'all-linear') return [...PROJECTIONS];
  if (!Array.isArray(value)) {
    const found = isRecord(value) || value === undefined ? typeof value : shown(value);
    throw new AdapterError(`${file}: target_modules ${found} is neither a list nor "all-linear"`);
  }
  const names = value.map((name) => String(name));
  for (const name of names) {
    if (!PROJECTIONS.some((projection) => name === projection || name === projectionPath(projection))) {
      throw new AdapterError(`${file}: target module ${shown(name)} is not one of ${PROJECTIONS.join(', ')}`);
    }
  }
  return PROJECTIONS.filter((projection) => names.includes(projection) || names.includes(projectionPath(projection)));
}
