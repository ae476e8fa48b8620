/** Rotary positions of a configuration: `rope_theta` and `rope_scaling` (transformers 4), `rope_parameters` (transformers 5). */
import { adviceToIgnore } from './configKeys';
import { isRecord, isSet, positive, type Fields } from './configValues';
import { ConfigError, UnknownKeysError } from './errors';
import type { Llama3RopeScaling } from './types';

export interface Rope {
  theta: number;
  scaling: Llama3RopeScaling | null;
}

type RopeKey = 'rope_parameters' | 'rope_scaling';

const DEFAULT_THETA = 10000;
const COMMON_KEYS = ['rope_type', 'type', 'rope_theta', 'partial_rotary_factor'];
const LLAMA3_KEYS = ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'];

/**
 * How positions turn queries and keys. Where several keys say it, they have to agree.
 * @throws ConfigError, UnknownKeysError when a kind or a key inside is not known
 */
export function readRope(json: Fields, file: string): Rope {
  const given = (['rope_parameters', 'rope_scaling'] as const).filter((key) => isSet(json[key]));
  const found = given.map((key) => readNest(json, key, file));
  const [first, second] = found;
  if (first !== undefined && second !== undefined && JSON.stringify(first) !== JSON.stringify(second)) {
    const problem = '"rope_parameters" and "rope_scaling" do not say the same; remove the one that is wrong';
    throw new UnknownKeysError(file, problem, ['rope_scaling']);
  }
  return first ?? { theta: positive(json, 'rope_theta', file, { fallback: DEFAULT_THETA }), scaling: null };
}

function readNest(json: Fields, key: RopeKey, file: string): Rope {
  const fields = json[key];
  if (!isRecord(fields)) throw new ConfigError(file, `"${key}" is not an object`);
  const parameters = ofLayerType(fields, key, file);
  const theta = readTheta(json, parameters, key, file);
  const { rope_type: newer, type: older } = parameters;
  if (isSet(newer) && isSet(older) && newer !== older) {
    throw new ConfigError(file, `"${key}" has rope_type ${JSON.stringify(newer)} and type ${JSON.stringify(older)}`);
  }
  const type = newer ?? older ?? 'default';
  if (type !== 'default' && type !== 'llama3') {
    const problem = `RoPE type ${JSON.stringify(type)} is not supported (only "default" and "llama3"); choose another model`;
    throw new UnknownKeysError(file, problem, [key]);
  }
  checkNestKeys(parameters, type === 'llama3' ? [...COMMON_KEYS, ...LLAMA3_KEYS] : COMMON_KEYS, key, file);
  return { theta, scaling: type === 'llama3' ? readScaling(parameters, key, file) : null };
}

/** The parameters themselves, or those of the one kind of layer that a nest names. */
function ofLayerType(fields: Fields, key: RopeKey, file: string): Fields {
  const nests = Object.keys(fields).filter((name) => isRecord(fields[name]));
  if (nests.length === 0) return fields;
  const names = Object.keys(fields);
  const [name] = names;
  if (names.length === 1 && name === 'full_attention') return fields[name] as Fields;
  const problem = `"${key}" has parameters of its own for ${nests.join(', ')}; only "full_attention" alone is supported`;
  throw new UnknownKeysError(file, `${problem}. Choose another model`, [key]);
}

function readTheta(json: Fields, parameters: Fields, key: RopeKey, file: string): number {
  const outer = positive(json, 'rope_theta', file, { fallback: DEFAULT_THETA });
  if (!isSet(parameters.rope_theta)) return outer;
  const inner = positive(parameters, 'rope_theta', file);
  if (isSet(json.rope_theta) && inner !== outer) {
    throw new ConfigError(file, `"rope_theta" is ${outer}, and ${inner} inside "${key}"; remove the one that is wrong`);
  }
  return inner;
}

function checkNestKeys(parameters: Fields, known: readonly string[], key: RopeKey, file: string): void {
  const partial = parameters.partial_rotary_factor;
  const unknown = Object.keys(parameters).filter((name) => parameters[name] !== undefined && !known.includes(name));
  if (isSet(partial) && partial !== 1) unknown.push('partial_rotary_factor');
  if (unknown.length === 0) return;
  const paths = unknown.map((name) => `${key}.${name}`);
  const problem = `${paths.join(', ')} is not supported: it changes the positions of tokens. ` + adviceToIgnore(paths);
  throw new UnknownKeysError(file, problem, paths);
}

function readScaling(parameters: Fields, key: RopeKey, file: string): Llama3RopeScaling {
  const scaling: Llama3RopeScaling = {
    factor: positive(parameters, 'factor', file),
    lowFreqFactor: positive(parameters, 'low_freq_factor', file),
    highFreqFactor: positive(parameters, 'high_freq_factor', file),
    originalMaxPositions: positive(parameters, 'original_max_position_embeddings', file),
  };
  if (scaling.highFreqFactor <= scaling.lowFreqFactor) {
    throw new ConfigError(file, `"${key}" has a high_freq_factor that is not above low_freq_factor`);
  }
  return scaling;
}
