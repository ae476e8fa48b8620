/** The buffers of a model's frozen weights: which tensors lie in which, and how many bytes each takes. Nothing here needs a device. */
import type { Sizes } from './buffers';
import {
  EMBEDDING_NAME,
  HEAD_NAME,
  projectionName,
  projectionShape,
  STACK_NAMES,
  STACKS,
  tensorShapes,
  type StackName,
} from './config';
import { matrixLayout, STACK_ROWS, stackedRows } from './matrixLayout';
import type { ModelConfig, WeightDtype } from './types';

/** A buffer of frozen weights: a tensor, or several that lie one behind the other. */
export interface WeightBuffer {
  name: string;
  bytes: number;
  /** Its tensors, each with its rows; of a tensor in several buffers those from `firstRow` on. */
  tensors: { name: string; rows: number; firstRow?: number }[];
  /** Of matrices; undefined = vectors. */
  columns: number | undefined;
}

/**
 * Buffers of a model's frozen weights. The matrices of a stack lie in one buffer, unless that is larger than `limit`; so do their
 * biases, and the gains of the norms per head. @throws RequestError when the format cannot pack a width
 */
export function weightBuffers(config: ModelConfig, dtype: WeightDtype, limit = Infinity): WeightBuffer[] {
  const shapes = new Map(tensorShapes(config));
  const buffers: WeightBuffer[] = [];
  const add = (name: string, tensors: string[]): boolean => {
    const shape = tensors.map((tensor) => shapes.get(tensor) as [number, number?]);
    const rows = shape.map(([count]) => count);
    const columns = shape[0]?.[1];
    const all = stackedRows(rows)[rows.length] as number;
    const bytes = columns === undefined ? all * 4 : matrixLayout(dtype, all, columns).bytes;
    if (tensors.length > 1 && bytes > limit) return false;
    buffers.push({
      name,
      bytes,
      columns,
      tensors: tensors.map((tensor, i) => ({ name: tensor, rows: rows[i] as number })),
    });
    for (const tensor of tensors) shapes.delete(tensor);
    return true;
  };
  for (let layer = 0; layer < config.numLayers; layer++) {
    for (const stack of STACK_NAMES) {
      add(
        stackName(layer, stack),
        STACKS[stack].map((projection) => projectionName(layer, projection)),
      );
    }
    const biases = STACKS.qkv.map((projection) => projectionName(layer, projection, 'bias'));
    if (config.qkvBias) add(stackName(layer, 'qkv', 'bias'), biases);
    if (config.qkNorm) add(`norms per head of layer ${layer}`, headNormNames(layer));
  }
  for (const [name, shape] of [...shapes]) {
    const [rows, columns] = shape as [number, number?];
    if (!TALL.includes(name) || columns === undefined || columns % 4 !== 0) add(name, [name]);
    else buffers.push(...rowBlocks(name, dtype, rows, columns, limit));
  }
  return buffers;
}

/** Matrices [V, D], which may lie in several buffers. */
const TALL: readonly string[] = [EMBEDDING_NAME, HEAD_NAME];

/** Buffers of a matrix, as few as hold `limit` bytes at most; each begins at a multiple of STACK_ROWS. */
function rowBlocks(name: string, dtype: WeightDtype, rows: number, columns: number, limit: number): WeightBuffer[] {
  const bytesOf = (count: number): number => matrixLayout(dtype, count, columns).bytes;
  let count = Math.ceil(bytesOf(rows) / limit) || 1;
  const each = (): number => (count === 1 ? rows : Math.ceil(rows / count / STACK_ROWS) * STACK_ROWS);
  while (bytesOf(each()) > limit && each() > STACK_ROWS) count++;
  const blocks: WeightBuffer[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += each()) {
    const own = Math.min(each(), rows - firstRow);
    const label = count === 1 ? name : `${name}, rows ${firstRow} to ${firstRow + own - 1}`;
    blocks.push({ name: label, bytes: bytesOf(own), columns, tensors: [{ name, rows: own, firstRow }] });
  }
  return blocks;
}

export function stackName(layer: number, stack: StackName, part = 'weight'): string {
  return `${STACKS[stack].join(', ')} of layer ${layer}, ${part}`;
}

/** Gains of the norms per head of queries and keys. */
export function headNormNames(layer: number): [q: string, k: string] {
  return [`model.layers.${layer}.self_attn.q_norm.weight`, `model.layers.${layer}.self_attn.k_norm.weight`];
}

/** Frozen weights by the names of their buffers. @throws RequestError when the format cannot pack a width */
export function weightSizes(config: ModelConfig, dtype: WeightDtype, limit = Infinity): Sizes {
  return Object.fromEntries(weightBuffers(config, dtype, limit).map(({ name, bytes }) => [name, bytes]));
}

/** Outputs of a stack of projections, with the rows between its parts. */
export function stackRows(config: ModelConfig, stack: StackName): number {
  return stackedRows(STACKS[stack].map((projection) => projectionShape(config, projection)[0])).pop() as number;
}
