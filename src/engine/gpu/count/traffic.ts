/**
 * Bytes and operations of a dispatch of the forward pass, from its grid and its parameters: how often a kernel reads its weights
 * follows from how many workgroups ask for the same rows.
 */
import { ATTENTION_SEGMENT, SAMPLING_SLICES } from '../../buffers';
import { matrixLayout } from '../../matrixLayout';
import type { WeightDtype } from '../../types';
import type { CountedDispatch } from './countingGpu';

/** Bytes that a dispatch moves, by what they are of, and what it computes. */
export interface Traffic {
  /** Of frozen weights. */
  weights: number;
  /** Of adapters. */
  adapters: number;
  /** Of keys and values. */
  cache: number;
  /** Of everything else: hidden states, logits, lists. Much of it stays in a device's cache. */
  activations: number;
  /** A multiply-add is two. */
  operations: number;
}

/** What the parameters of a dispatch leave open. */
export interface Situation {
  /** Different adapters among the tokens. */
  adapters: number;
  /** Keys that a token attends to. */
  keys: number;
}

/** Bytes of a weight of an adapter. */
function adapterBytes({ constants }: CountedDispatch): number {
  return constants['ADAPTERS'] === 'f16' ? 2 : F32;
}

type Rule = (dispatch: CountedDispatch, situation: Situation) => Partial<Traffic>;

/** Bytes of a f32. */
const F32 = 4;
/** Times that sampling from all tokens goes over a line of logits or of weights: largest, denominator, weights twice, draw. */
const SAMPLING_PASSES = 5;
/** The same of a line in slices, by kernel; the draw reads a slice. */
const SLICED_PASSES = { sample_scan: 1, sample_weigh: 3, sample_tokens_wide: 1 / SAMPLING_SLICES };

/** How often tokens in blocks read an adapter: each block those of its tokens, which lie side by side. */
function readings(tokens: number, blocks: number, adapters: number): number {
  return adapters === 0 ? 0 : Math.min(tokens, adapters + blocks - 1);
}

const linear =
  (blocksOf: (dispatch: CountedDispatch) => number): Rule =>
  (dispatch, { adapters }) => {
    const { params, constants } = dispatch;
    const [tokens, , , quads, outputs, rankQuads, bias, residual] = words(params, 8);
    const blocks = blocksOf(dispatch);
    const [columns, rank] = [4 * quads, 4 * rankQuads];
    // Gate and up: two rows of weights an output.
    const rows = constants['OUTPUTS'] === 'swiglu' ? 2 * outputs : outputs;
    const format = (constants['FORMAT'] ?? 'f32') as WeightDtype;
    return {
      weights: blocks * (matrixLayout(format, rows, columns).bytes + bias * rows * F32),
      adapters: readings(tokens, blocks, adapters) * rows * rank * adapterBytes(dispatch),
      activations: (tokens * (columns + rank) + (1 + residual) * tokens * outputs) * F32,
      operations: 2 * tokens * rows * (columns + rank),
    };
  };

const shrink: Rule = (dispatch, { adapters }) => {
  const { params, groups } = dispatch;
  const [tokens, , , quads, rank] = words(params, 5);
  return {
    adapters: readings(tokens, groups[1], adapters) * rank * 4 * quads * adapterBytes(dispatch),
    activations: tokens * (4 * quads + rank) * F32,
    operations: 2 * tokens * rank * 4 * quads,
  };
};

const attention: Rule = ({ params, constants, groups }, { keys }) => {
  const [tokens] = words(params, 1);
  const { HEADS, KV_HEADS, HEAD_DIM, CACHE } = constants as Record<string, number | string>;
  const [heads, kvHeads, width] = [Number(HEADS), Number(KV_HEADS), Number(HEAD_DIM)];
  // Workgroups of one token whose heads share keys read them once each.
  const readers = Math.max(1, (groups[0] * groups[1]) / (tokens * kvHeads));
  const each = CACHE === 'f16' ? 2 : 4;
  return {
    cache: readers * 2 * tokens * keys * kvHeads * width * each,
    activations: tokens * heads * (width + segmentsWith(keys, groups[2]) * (width + 1)) * F32,
    operations: 4 * tokens * keys * heads * width,
  };
};

/** Segments that a token's keys have, of those that a grid has room for. */
function segmentsWith(keys: number, most: number): number {
  return Math.min(most, Math.ceil(keys / ATTENTION_SEGMENT));
}

const norm: Rule = ({ params }) => {
  const [width, , rows] = words(params, 3);
  return { weights: width * F32, activations: 2 * rows * width * F32, operations: 4 * rows * width };
};

/** Rows of the embedding, each read once. */
const lookUp: Rule = ({ groups, sizes }) => {
  // The result has as many rows as the grid's y, and perhaps room for more: its width is what one row of workgroups covers.
  const width = Math.min(groups[0] * 256, at(sizes, 2) / F32);
  return { activations: 2 * groups[1] * width * F32 };
};

const rope: Rule = ({ params, constants }) => {
  const tokens = at(params, 0);
  const values = tokens * Number(constants['HEADS']) * Number(constants['HEAD_DIM']);
  const stored = constants['CACHE'] === 'f16' ? 2 : 4;
  return constants['CACHED'] === true
    ? { cache: values * stored, activations: 2 * values * F32, operations: 3 * values }
    : { activations: 3 * values * F32, operations: 3 * values };
};

const normShrink: Rule = (dispatch, { adapters }) => {
  const { params, groups } = dispatch;
  const [tokens, quads, rank, , , , , width, parts] = words(params, 9);
  return {
    weights: width * F32,
    adapters: readings(tokens, groups[1], adapters) * parts * rank * 4 * quads * adapterBytes(dispatch),
    activations: tokens * (2 * width + parts * rank) * F32,
    operations: tokens * width * (4 + 2 * parts * rank),
  };
};

const ropeStore: Rule = ({ groups, constants }) => {
  const { HEADS, KV_HEADS, HEAD_DIM, CACHE } = constants as Record<string, number | string>;
  const [queries, keys] = [Number(HEADS) * Number(HEAD_DIM), Number(KV_HEADS) * Number(HEAD_DIM)];
  const tokens = groups[1];
  return {
    cache: 2 * tokens * keys * (CACHE === 'f16' ? 2 : 4),
    activations: 2 * tokens * (queries + keys) * F32,
    operations: 3 * tokens * (queries + keys),
  };
};

const RULES: Partial<Record<CountedDispatch['kernel'], Rule>> = {
  attention_forward: (dispatch, situation) => {
    // An invocation is a token's GROUP heads; those that share keys read them each.
    const { constants, params } = dispatch;
    const sharing = Number(constants['HEADS']) / Number(constants['KV_HEADS']) / Number(constants['GROUP']);
    const groups: [number, number, number] = [at(params, 0) * Number(constants['KV_HEADS']) * sharing, 1, 1];
    return attention({ ...dispatch, groups }, situation);
  },
  attention_forward_wide: attention,
  attention_merge: ({ params, constants, groups }, { keys }) => ({
    activations: groups[0] * (segmentsWith(keys, at(params, 0)) + 1) * (Number(constants['HEAD_DIM']) + 2) * F32,
  }),
  cache_store: ({ params, constants }) => {
    const values = 2 * at(params, 0) * Number(constants['PAIRS']);
    return { cache: values * (constants['CACHE'] === 'f16' ? 2 : 4), activations: values * F32 };
  },
  decode_prepare: ({ params }) => ({ activations: at(params, 0) * 48 }),
  embed_tokens: lookUp,
  linear_forward: linear(({ groups }) => groups[1]),
  linear_forward_columns: linear(({ groups }) => groups[0]),
  linear_forward_columns_half: linear(({ groups }) => groups[0]),
  linear_forward_packed: linear(({ groups }) => groups[1]),
  linear_forward_tiled: linear(({ groups }) => groups[0]),
  linear_forward_tiled_half: linear(({ groups }) => groups[0]),
  lora_shrink: shrink,
  lora_shrink_wide: shrink,
  norm_shrink: normShrink,
  rmsnorm_forward: norm,
  rmsnorm_forward_wide: norm,
  rope_forward: rope,
  rope_store: ropeStore,
  sample_tokens: ({ groups, constants }) => ({
    activations: groups[0] * Number(constants['V']) * SAMPLING_PASSES * F32,
  }),
  sample_tokens_wide: ({ groups, params, constants }) => {
    const passes = constants['SLICED'] === true ? SLICED_PASSES.sample_tokens_wide : SAMPLING_PASSES;
    return { activations: groups[0] * at(params, 0) * passes * F32 };
  },
  sample_scan: ({ groups, params }) => ({ activations: groups[1] * at(params, 0) * SLICED_PASSES.sample_scan * F32 }),
  sample_weigh: ({ groups, params }) => ({ activations: groups[1] * at(params, 0) * SLICED_PASSES.sample_weigh * F32 }),
  swiglu_forward: ({ params, constants }) => {
    const values = at(params, 0) * Number(constants['WIDTH']);
    return { activations: 3 * values * F32, operations: 4 * values };
  },
  unpack_rows: lookUp,
};

/** @throws RangeError for a kernel that no rule here knows */
export function trafficOf(dispatch: CountedDispatch, situation: Situation): Traffic {
  const rule = RULES[dispatch.kernel];
  if (rule === undefined)
    throw new RangeError(`nothing is known of the bytes of ${dispatch.kernel}: add it to traffic.ts`);
  return { weights: 0, adapters: 0, cache: 0, activations: 0, operations: 0, ...rule(dispatch, situation) };
}

/** The first words, all of them there. */
function words(params: Uint32Array, count: number): number[] {
  return Array.from({ length: count }, (_, i) => at(params, i));
}

function at(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no value ${index}`);
  return value;
}
