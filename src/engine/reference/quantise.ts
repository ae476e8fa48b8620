/**
 * The host's side of the weight formats: what a matrix becomes when it is packed into f16, int8 or int4 and unpacked again, with
 * the arithmetic of kernels/quantise.wgsl (every operation rounded to 32 bits, scales to f16, ties to even).
 */
import { tensorShapes } from '../config';
import { matrixLayout, GROUP } from '../matrixLayout';
import type { ModelStream } from '../stream';
import { addErrors, emptySum, tensorError, type ErrorSum } from '../saturation';
import type { HostTensor, ModelWeights, TensorError, WeightDtype } from '../types';

const LARGEST_F16 = 65504;
/** Smallest normal f16. */
const NORMAL_F16 = 2 ** -14;
const INVERSE_127 = Math.fround(1 / 127);
/** Scales are stored times this. */
const SCALE_UNIT = 64;

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The f16 nearest to an f32, ties to even; subnormal ones as zero, because drivers may read them so; above the largest, infinity. */
export function roundToHalf(value: number): number {
  if (Math.abs(value) < NORMAL_F16) return 0;
  float[0] = value;
  const word = bits[0] as number;
  bits[0] = (word + 0xfff + ((word >>> 13) & 1)) & ~0x1fff;
  const rounded = float[0] as number;
  return Math.abs(rounded) > LARGEST_F16 ? Math.sign(value) * Infinity : rounded;
}

/** Counts numbers that were too large for f16: weights as f16, scales as int8 and int4. */
export interface SaturationCount {
  saturated: number;
}

/** Adds up the errors of a model's tensors while they are packed. */
export class PackingErrors {
  private readonly sums = new Map<string, ErrorSum>();

  /** Values of rows of a tensor after packing and unpacking, counted. */
  quantise(name: string, data: Float32Array, columns: number, dtype: WeightDtype): Float32Array {
    const sum = this.sums.get(name) ?? emptySum();
    this.sums.set(name, sum);
    const count = { saturated: 0 };
    const kept = quantiseValues(data, columns, dtype, count);
    addErrors(sum, data, kept, count.saturated);
    return kept;
  }

  get errors(): TensorError[] {
    return [...this.sums].map(([name, sum]) => tensorError(name, sum));
  }
}

/** Values of a matrix [n, columns] after packing and unpacking. */
export function quantiseValues(
  data: Float32Array,
  columns: number,
  dtype: WeightDtype,
  count: SaturationCount = { saturated: 0 },
): Float32Array {
  const kept = new Float32Array(data.length);
  if (dtype === 'f32') kept.set(data);
  else if (dtype === 'f16')
    data.forEach((value, i) => {
      if (Math.abs(value) > LARGEST_F16 && Math.abs(value) !== Infinity) count.saturated++;
      kept[i] = roundToHalf(clamp(value, -LARGEST_F16, LARGEST_F16));
    });
  else {
    for (let row = 0; row < data.length; row += columns) {
      for (let at = 0; at < columns; at += GROUP) {
        quantiseGroup(data, kept, row + at, row + Math.min(at + GROUP, columns), dtype, count);
      }
    }
  }
  return kept;
}

/**
 * A model as a device computes with it in this format: matrices packed and unpacked, norms and biases as they are. f32 gives the
 * model itself, the others a copy.
 * @throws RequestError when a width is not a multiple of 4
 */
export function quantiseWeights(weights: ModelWeights, dtype: WeightDtype, errors = new PackingErrors()): ModelWeights {
  if (dtype === 'f32') return weights;
  const tensors = new Map<string, HostTensor>();
  for (const name of tensorShapes(weights.config).keys()) {
    const tensor = weights.tensors.get(name) as HostTensor;
    const [rows, columns] = tensor.shape as [number, number?];
    if (columns === undefined) {
      tensors.set(name, tensor);
      continue;
    }
    matrixLayout(dtype, rows, columns);
    tensors.set(name, { shape: tensor.shape, data: errors.quantise(name, tensor.data, columns, dtype) });
  }
  return { config: weights.config, tensors };
}

/**
 * A stream whose matrices were packed and unpacked piece by piece: `quantiseWeights` without the model in memory twice.
 * @throws RequestError when a width is not a multiple of 4
 */
export function quantiseStream(stream: ModelStream, dtype: WeightDtype, errors = new PackingErrors()): ModelStream {
  if (dtype === 'f32') return stream;
  for (const [rows, columns] of tensorShapes(stream.config).values()) {
    if (columns !== undefined) matrixLayout(dtype, rows as number, columns);
  }
  return {
    config: stream.config,
    bytes: stream.bytes,
    get hash() {
      return stream.hash;
    },
    read: (sink, options) =>
      stream.read((piece) => {
        const columns = piece.shape[1];
        return sink(
          columns === undefined ? piece : { ...piece, data: errors.quantise(piece.name, piece.data, columns, dtype) },
        );
      }, options),
  };
}

function quantiseGroup(
  data: Float32Array,
  kept: Float32Array,
  from: number,
  to: number,
  dtype: 'int8' | 'int4',
  count: SaturationCount,
): void {
  const scale = groupScale(data, from, to, dtype, count);
  for (let i = from; i < to; i++) kept[i] = codeOf(data[i] as number, scale, dtype) * scale;
}

/** What the codes of a group are multiplied with: an f16 over 64, 0 where all weights are too small. */
export function groupScale(
  data: Float32Array,
  from: number,
  to: number,
  dtype: 'int8' | 'int4',
  count: SaturationCount,
): number {
  let extreme = 0;
  for (let i = from; i < to; i++) {
    const value = data[i] as number;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  const exact = dtype === 'int8' ? Math.fround(Math.abs(extreme) * INVERSE_127) : extreme / -8;
  if (Math.abs(exact) * SCALE_UNIT > LARGEST_F16) count.saturated++;
  return roundToHalf(clamp(exact * SCALE_UNIT, -LARGEST_F16, LARGEST_F16)) / SCALE_UNIT;
}

/** The whole number that a weight becomes: −127 to 127 of int8, −8 to 7 of int4. */
export function codeOf(weight: number, scale: number, dtype: 'int8' | 'int4'): number {
  if (scale === 0) return 0;
  // In 64 bits the quotient is a tie only where the exact one is.
  const nearest = roundToEven(weight / scale);
  return dtype === 'int8' ? clamp(nearest, -127, 127) : clamp(nearest, -8, 7);
}

/** The nearest whole number, halves to the even one; |value| below 2^51. */
function roundToEven(value: number): number {
  // Sums beyond 2^52 have no room for a fraction, and the arithmetic rounds ties to even.
  const large = 1.5 * 2 ** 52;
  return value + large - large;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
