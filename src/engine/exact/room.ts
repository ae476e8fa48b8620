/** How many bytes of an arena a model, its adapters and its passes take; upper bounds. */
import { isPacked, type FrozenWeights } from '../reference/packedTensor';
import type { ModelConfig } from '../types';
import { PROJECTIONS } from '../types';
import { projectionShape } from '../config';
import { headBlockRows } from '../reference/forward';
import { gramInputs } from '../grams';
import type { ComputeOptions } from '../reference/compute';
import { roomBytes } from './arena';
import { keyStride, packedNumbers, rowStride } from './wasmArithmetic';

/** Weights as they are and in panels both ways (int8 and int4: in panels once), rotary tables, keys and values of all rows. */
export function modelBytes({ config, tensors }: FrozenWeights, { maxRows, maxLength }: ComputeOptions): number {
  let bytes = 2 * roomBytes((maxLength * config.headDim) / 2);
  for (const tensor of tensors.values()) {
    const [rows = 0, columns] = tensor.shape;
    if (isPacked(tensor)) {
      bytes += roomBytes(tensor.codes.length / 4) + roomBytes(tensor.scales.length);
      continue;
    }
    bytes += roomBytes(tensor.data.length);
    if (columns === undefined) continue;
    bytes += roomBytes(packedNumbers(rows, columns)) + roomBytes(packedNumbers(columns, rows));
  }
  return bytes + maxRows * rowBytes(config, maxLength);
}

/** Keys and values of one row. */
export function rowBytes({ numLayers, numKvHeads, headDim }: ModelConfig, maxLength: number): number {
  const width = numKvHeads * headDim;
  return numLayers * (roomBytes(width * keyStride(maxLength)) + roomBytes(width * maxLength));
}

/** An adapter on every projection. */
export function adapterBytes(config: ModelConfig, rank: number): number {
  let bytes = 0;
  for (const projection of PROJECTIONS) {
    const [outputs, inputs] = projectionShape(config, projection);
    bytes += roomBytes(rank * inputs) + roomBytes(packedNumbers(rank, inputs));
    bytes += roomBytes(rank * outputs) + roomBytes(packedNumbers(outputs, rank));
  }
  return config.numLayers * bytes;
}

/** What a pass computes. */
export interface PassSize {
  /** Tokens of all rows together. */
  tokens: number;
  /** Positions that a token may attend to. */
  positions: number;
  /** Largest rank of any adapter in it. */
  rank: number;
  /** A backward follows: every layer's activations are kept. */
  training: boolean;
}

/** The arrays of one pass (layer.ts, forward.ts, backward.ts, layerBackward.ts of the reference engine). */
export function passBytes(config: ModelConfig, { tokens: N, positions, rank: R, training }: PassSize): number {
  const { hiddenSize: D, intermediateSize: F, numHeads: H, numKvHeads: K, headDim: Dh, vocabSize: V } = config;
  const { numLayers } = config;
  const [q, k] = [H * Dh, K * Dh];
  const block = Math.min(N, headBlockRows(V));
  const probs = training ? H * N * rowStride(N) : 4 * rowStride(positions);
  const layer = N * (4 * D + 2 + 2 * q + 2 * k + H + K + k + q + 3 * F) + probs + (training ? N * (7 * R + F) : 0);
  const widest = D + F + q + k;
  // The residual stream, a branch, LoRA's hidden and update, keys and values, the last rows, normed and gathered.
  const shared = N * (2 * D + R + widest) + k * (keyStride(N) + N) + N * (3 * D + 8) + block * (D + 1 + V) + V;
  // Panels of integers, unpacked; made anew for a longer one.
  const unpacked = 16 * (D + F + q) + (training ? 16 * (D + F + q + k + V) + 5 * 512 : 0);
  const gradients = training ? trainingNumbers(config, N, R, block) : 0;
  const names = 64 + (training ? numLayers * 32 : 32);
  return 4 * (layer * (training ? numLayers : 1) + shared + unpacked + gradients) + names * 3 * 64 + (1 << 16);
}

/** Beside a pass: Gram matrices of what a layer reads, and the panels of their products. @param tokens of a sequence at most */
export function gramBytes(config: ModelConfig, tokens: number): number {
  const sums = gramInputs(config, PROJECTIONS).reduce((sum, { width }) => sum + roomBytes(width * width), 0);
  return sums + 2 * roomBytes(16 * tokens);
}

function trainingNumbers(config: ModelConfig, N: number, R: number, block: number): number {
  const { hiddenSize: D, intermediateSize: F, numHeads: H, numKvHeads: K, headDim: Dh, vocabSize: V } = config;
  const [q, k] = [H * Dh, K * Dh];
  const passing = N * (3 * F + 4 * D + 3 * q + 3 * k + 2 * R) + block * D + (N + Dh) * rowStride(N);
  // Panels of products and of outer products may be made anew for a longer one.
  const panels = 16 * (D + F + q + k + V + N + R);
  let adapter = 0;
  for (const projection of PROJECTIONS) {
    const [outputs, inputs] = projectionShape(config, projection);
    adapter += R * (outputs + inputs);
  }
  // Of an adapter's head: itself and its gradient.
  return passing + panels + config.numLayers * adapter + 2 * D;
}
