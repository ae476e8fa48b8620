/**
 * Products with frozen weights and their LoRA, forward and backward: which kernel, by the weights' format and the device.
 */

import { FEW_TOKENS, OUTPUT_SPLITS, roundUp, SPLIT_OUTPUTS } from '../buffers';
import { GROUP } from '../matrixLayout';
import type { Gpu } from './device';
import { bindingOf, matrixParams, type MatrixStack, type WeightMatrix } from './matrix';
import type { AdapterDtype, WeightDtype } from '../types';
import { flatGroups, type Binding, type Program } from './program';

/** Outputs and tokens that one invocation of linear_forward makes, each way. */
const TILE = 4;
/** Tokens that one invocation of the kernels for packed weights makes. */
const PACKED_TILE = 8;

/** Lanes of a workgroup on a CPU driver: one SIMD register. */
const CPU_LANES = 8;
/** Tokens and outputs of a workgroup of the tiled kernels, each way. */
const GPU_TILE = 64;
/** Lanes of a workgroup of linear_forward_columns. */
const COLUMN_LANES = 64;
/** Most tokens of one of its workgroups: their sums take all of the workgroup memory that every device has. */
const MAX_COLUMNS = 16;
/** Formats with one scale for 32 weights, whose lanes may take whole groups, */
const GROUPED: ReadonlySet<WeightDtype> = new Set(['int4', 'int8']);
/** of at most so many tokens: a lane then reads x for one output in place of four. Above about as many it is arithmetic that takes the time. */
const GROUP_COLUMNS = 4;
/** Groups of 32 weights that a part of a row has at least: adding a part up costs the tiled kernel as much as a group. */
const PART_GROUPS = 7;
const MAX_PARTS = 8;
/** The first output of a part that a stack does not have. */
const NEVER = 0xffffffff;

/** LoRA's half of a projection: xa [T, R] is already A·x times the scale; `offset` is B's first element in a slot. */
export interface LoraExpansion {
  xa: GPUBuffer;
  pool: GPUBuffer;
  /** Of the pool; default f32. */
  dtype?: AdapterDtype;
  slot: GPUBuffer;
  rank: number;
  slotElements: number;
  offset: number;
  /** Of a stack (on a GPU): where B of the other parts begins; xa then has [R] for each part. */
  others?: readonly number[];
}

export interface LinearJob {
  /** T */
  tokens: number;
  /** [T, in] */
  x: GPUBuffer;
  /** [out, in] */
  weight: WeightMatrix;
  /** Of a stack: the first outputs of its parts but the first. */
  firstOutputs?: readonly number[];
  /** [T, out]; another buffer than x and residual */
  y: GPUBuffer;
  /** Where y is wider: numbers of a token, and the first that is made. */
  within?: { step: number; first: number };
  bias?: Binding | undefined;
  residual?: GPUBuffer | undefined;
  lora?: LoraExpansion | null;
}

/** Records y = residual + (bias + (W x + B xa)). */
export function encodeLinear(gpu: Gpu, program: Program, job: LinearJob): void {
  const { x, weight, y, bias, residual, lora } = job;
  const { rows, columns, dtype } = weight;
  const w = bindingOf(weight);
  const vector = columns % 4 === 0;
  const rank = lora?.rank ?? 0;
  // A binding that is switched off goes unread; any buffer that is only read will do.
  const bindings = [x, w, bias ?? w, lora?.xa ?? x, lora?.pool ?? x, lora?.slot ?? x, residual ?? x, y];
  const params = [
    job.tokens,
    lora?.slotElements ?? 0,
    lora?.offset ?? 0,
    vector ? columns / 4 : columns,
    rows,
    vector ? rank / 4 : rank,
    bias === undefined ? 0 : 1,
    residual === undefined ? 0 : 1,
    job.within?.step ?? rows,
    job.within?.first ?? 0,
  ];
  const LORA = lora != null;
  const ADAPTERS = lora?.dtype ?? 'f32';
  const operations = operationsOf(job);
  if (vector && !gpu.isCpu) {
    encodeOnGpu(gpu, program, job, bindings, params, 'plain');
    return;
  }
  if (ADAPTERS === 'f16') throw new RangeError('adapters in f16 are for vectors on a GPU');
  if (dtype !== 'f32') {
    const tile = job.tokens === 1 ? 1 : job.tokens <= TILE ? TILE : PACKED_TILE;
    const constants = { FORMAT: dtype, LANES: CPU_LANES, LORA, TOKENS: tile, ADAPTERS };
    const groups: [number, number] = [Math.ceil(rows / (4 * CPU_LANES)), Math.ceil(job.tokens / tile)];
    program.add('linear_forward_packed', constants, bindings, [...params, ...matrixParams(weight)], groups, operations);
  } else if (vector) {
    const groups: [number, number] = [Math.ceil(rows / (TILE * CPU_LANES)), Math.ceil(job.tokens / TILE)];
    program.add('linear_forward', { LANES: CPU_LANES, LORA, ADAPTERS }, bindings, params, groups, operations);
  } else {
    program.add('linear_forward_scalar', { LORA }, bindings, params, [Math.ceil(rows / 64), job.tokens], operations);
  }
}

/** Records a product on a GPU: which kernel changes no bit of what a token gets. `outputs` says what rows of W make. */
function encodeOnGpu(
  gpu: Gpu,
  program: Program,
  job: LinearJob,
  bindings: Binding[],
  params: number[],
  outputs: 'plain' | 'swiglu',
): void {
  const { weight, tokens, lora } = job;
  const half = gpu.arithmetic === 'f16' && weight.dtype !== 'f32';
  const parts = partsOf(weight.columns);
  const all = [...params, ...matrixParams(weight), parts, ...stackParams(job)];
  const shared = { FORMAT: weight.dtype, OUTPUTS: outputs, ADAPTERS: lora?.dtype ?? 'f32' };
  if (tokens > FEW_TOKENS) {
    const name = half ? 'linear_forward_tiled_half' : 'linear_forward_tiled';
    const groups: [number, number] = [Math.ceil(tokens / GPU_TILE), Math.ceil(weight.rows / GPU_TILE)];
    program.add(name, shared, bindings, all, groups, operationsOf(job));
    return;
  }
  const name = half ? 'linear_forward_columns_half' : 'linear_forward_columns';
  const block = columnsFor(tokens);
  // Tokens in x: workgroups that read the same weights run side by side.
  const groups: [number, number] = [Math.ceil(tokens / block), Math.ceil((weight.rows * parts) / COLUMN_LANES)];
  const SHARE = block <= GROUP_COLUMNS && GROUPED.has(weight.dtype) ? 'groups' : 'slices';
  program.add(name, { ...shared, COLUMNS: block, SHARE }, bindings, all, groups, operationsOf(job));
}

/** Quads of a token's xa, then of the second and third part of a stack the first output, and B's place. */
function stackParams({ firstOutputs = [], lora }: LinearJob): number[] {
  const firsts = [0, 1].map((i) => firstOutputs[i] ?? NEVER);
  const offsets = [0, 1].map((i) => lora?.others?.[i] ?? 0);
  return [((1 + firstOutputs.length) * (lora?.rank ?? 0)) / 4, ...firsts, ...offsets];
}

export interface SwigluJob {
  /** T */
  tokens: number;
  /** [T, in] */
  x: GPUBuffer;
  /** Gate and up, F outputs each, F even */
  stack: MatrixStack;
  /** [T, F] */
  act: GPUBuffer;
  lora: LoraExpansion | null;
}

/** Records act = silu(gate) · up with both products, on a GPU: to the bit what products of their own and swiglu_forward make. */
export function encodeSwiglu(gpu: Gpu, program: Program, { tokens, x, stack, act, lora }: SwigluJob): void {
  const { whole, parts, firstRows } = stack;
  const outputs = parts[0]?.rows ?? 0;
  const w = bindingOf(whole);
  // Of a binding that goes unread any buffer that is only read will do.
  const bindings = [x, w, w, lora?.xa ?? x, lora?.pool ?? x, lora?.slot ?? x, x, act];
  const [rank, slotElements, offset] = [lora?.rank ?? 0, lora?.slotElements ?? 0, lora?.offset ?? 0];
  const params = [tokens, slotElements, offset, whole.columns / 4, outputs, rank / 4, 0, 0, outputs, 0];
  const weight = { ...whole, rows: 2 * outputs };
  const job = { tokens, x, weight, firstOutputs: firstRows.slice(1), y: act, lora };
  encodeOnGpu(gpu, program, job, bindings, params, 'swiglu');
}

function operationsOf({ tokens, weight }: Pick<LinearJob, 'tokens' | 'weight'>): number {
  return 2 * tokens * weight.rows * weight.columns;
}

/** Parts that the kernels for GPUs add a row of W up in: by the row's width alone, so that a token's bits are the same always. */
function partsOf(columns: number): number {
  const groups = Math.ceil(columns / GROUP);
  let parts = 1;
  while (2 * parts <= MAX_PARTS && 2 * parts * PART_GROUPS <= groups) parts *= 2;
  return parts;
}

/** Tokens of a workgroup: as few blocks as can be, all of one size, of which there are few. */
function columnsFor(tokens: number): number {
  const columns = Math.ceil(tokens / Math.ceil(tokens / MAX_COLUMNS));
  return columns <= 2 ? columns : roundUp(columns, 4);
}

/** The LoRA path of `encodeLinearBackwardInput`: dXA [T, R] and A inside the pool. */
export interface LoraPath {
  dxa: GPUBuffer;
  pool: GPUBuffer;
  slot: GPUBuffer;
  rank: number;
  slotElements: number;
  /** Element of A inside a slot. */
  offset: number;
}

export interface LinearBackwardJob {
  /** T, a multiple of 4 with LoRA (every 4 tokens of one slot) */
  tokens: number;
  /** [T, out] */
  dy: GPUBuffer;
  /** Where dy is wider: numbers of a token, and the first that counts, multiples of 4 if both out and V are. */
  within?: { step: number; first: number };
  /** [out, in] */
  weight: WeightMatrix;
  /** [T, in] */
  dx: GPUBuffer;
  /** null leaves the second product out. */
  lora: LoraPath | null;
  accumulate: boolean;
  /** [OUTPUT_SPLITS, T, in] scratch: many outputs may then be split over workgroups. Without LoRA and accumulate only. */
  splits?: GPUBuffer | null;
}

/** Records dX[T, in] (+)= dY[T, out] · W[out, in] + dXA · A. */
export function encodeLinearBackwardInput(gpu: Gpu, program: Program, job: LinearBackwardJob): void {
  const { dy, weight, dx, lora, tokens } = job;
  const { rows, columns, dtype } = weight;
  const w = bindingOf(weight);
  if (columns % 4 === 0 && !gpu.isCpu) {
    encodeTiledBackward(program, job);
    return;
  }
  const { step, first } = job.within ?? { step: rows, first: 0 };
  const vector = columns % 4 === 0 && (dtype !== 'f32' || (rows % 4 === 0 && step % 4 === 0));
  const width = vector ? columns / 4 : columns;
  const lanes = lanesFor(gpu, width);
  // Without LoRA three bindings go unread; any buffer that the dispatch only reads will do.
  const bindings = [dy, w, lora?.dxa ?? dy, lora?.pool ?? dy, lora?.slot ?? dy, dx];
  const params = [
    columns,
    rows,
    lora?.rank ?? 0,
    lora?.slotElements ?? 0,
    lora?.offset ?? 0,
    job.accumulate ? 1 : 0,
    step,
    first,
  ];
  if (dtype !== 'f32') {
    const constants = { FORMAT: dtype, LANES: lanes };
    const groups: [number, number] = [Math.ceil(width / lanes), Math.ceil(tokens / PACKED_TILE)];
    program.add(
      'linear_backward_input_packed',
      constants,
      bindings,
      [...params, tokens, ...matrixParams(weight)],
      groups,
      operationsOf(job),
    );
    return;
  }
  const name = vector ? 'linear_backward_input' : 'linear_backward_input_scalar';
  const groups: [number, number] = [Math.ceil(width / lanes), Math.ceil(tokens / TILE)];
  program.add(name, { LANES: lanes }, bindings, params, groups, operationsOf(job));
}

/** `encodeLinearBackwardInput` on a GPU. */
function encodeTiledBackward(
  program: Program,
  { dy, within, weight, dx, lora, tokens, accumulate, splits }: LinearBackwardJob,
): void {
  const { rows, columns, dtype } = weight;
  const parts = splits && rows >= SPLIT_OUTPUTS && lora === null && !accumulate ? OUTPUT_SPLITS : 1;
  const result = parts > 1 && splits ? splits : dx;
  program.add(
    'linear_backward_input_tiled',
    { FORMAT: dtype, VECTOR: rows % 4 === 0 && (within?.step ?? 0) % 4 === 0 },
    [dy, bindingOf(weight), lora?.dxa ?? dy, lora?.pool ?? dy, lora?.slot ?? dy, result, dy],
    [
      columns,
      rows,
      lora?.rank ?? 0,
      lora?.slotElements ?? 0,
      lora?.offset ?? 0,
      accumulate ? 1 : 0,
      within?.step ?? rows,
      within?.first ?? 0,
      tokens,
      ...matrixParams(weight),
      parts,
    ],
    [Math.ceil(tokens / GPU_TILE), Math.ceil(columns / GPU_TILE), parts],
    operationsOf({ tokens, weight }),
  );
  if (parts === 1) return;
  const quads = (tokens * columns) / 4;
  const groups = flatGroups(quads, 64);
  program.add('sum_splits', {}, [result, dx], [quads, parts, groups[0]], groups);
}

/** Lanes of a workgroup whose lanes share a token tile: one SIMD register on a CPU driver, one or two warps on a GPU. */
export function lanesFor(gpu: Gpu, columns: number): number {
  if (gpu.isCpu) return CPU_LANES;
  return columns > 32 ? 64 : 32;
}
