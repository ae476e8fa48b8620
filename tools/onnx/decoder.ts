/**
 * A Llama-shaped decoder as an ONNX graph, in the layout of optimum's exports, which transformers.js reads:
 *
 *     inputs   input_ids [B, S], attention_mask [B, P + S], position_ids [B, S] (int64),
 *              past_key_values.N.key and .value [B, K, P, Dh] (f32)
 *     outputs  logits [B, S, V], present.N.key and .value [B, K, P + S, Dh] (f32)
 *
 * P are tokens before, S new ones. The mask has 0 where a row is padded, at its left.
 */
import { EMBEDDING_NAME, HEAD_NAME, projectionName } from '../../src/engine/config';
import { ropeTable } from '../../src/engine/reference/rope';
import type { HostTensor, ModelConfig, ModelWeights, Projection } from '../../src/engine/types';
import { FLOAT, INT64, OnnxGraph, BOOL } from './graph';
import { packInt4, BLOCK } from './int4';

export interface DecoderOptions {
  /**
   * 'int4': products by ONNX Runtime's MatMulNBits, over the values that the engine's int4 has; the weights must have been packed and
   * unpacked (`quantiseWeights`).
   */
  products: 'f32' | 'int4';
  /** Of MatMulNBits: 0 computes in f32, 4 rounds activations to 8 bits. */
  accuracy?: 0 | 4;
  /** Longest sequence; the table of angles has so many rows. */
  positions: number;
}

/** @returns bytes of the .onnx file */
export function decoderGraph(weights: ModelWeights, options: DecoderOptions): Uint8Array<ArrayBuffer> {
  return new DecoderGraph(weights, options).build();
}

class DecoderGraph {
  private readonly graph = new OnnxGraph();
  private readonly config: ModelConfig;

  constructor(
    private readonly weights: ModelWeights,
    private readonly options: DecoderOptions,
  ) {
    this.config = weights.config;
  }

  build(): Uint8Array<ArrayBuffer> {
    const { graph, config } = this;
    graph.input('input_ids', INT64, ['batch_size', 'sequence_length']);
    graph.input('attention_mask', INT64, ['batch_size', 'total_sequence_length']);
    graph.input('position_ids', INT64, ['batch_size', 'sequence_length']);
    const [turn, bias] = [this.rotation(), this.maskBias()];
    let x = graph.op('Gather', [this.tensor(EMBEDDING_NAME), 'input_ids']);
    for (let layer = 0; layer < config.numLayers; layer++) x = this.layer(layer, x, turn, bias);
    x = this.norm(x, 'model.norm.weight');
    this.product(x, config.tieWordEmbeddings ? EMBEDDING_NAME : HEAD_NAME, 'logits');
    graph.output('logits', FLOAT, ['batch_size', 'sequence_length', config.vocabSize]);
    return graph.finish();
  }

  private layer(layer: number, x: string, turn: (x: string) => string, bias: string): string {
    const { graph, config } = this;
    const { numHeads, numKvHeads, headDim } = config;
    const prefix = `model.layers.${layer}`;
    const linear = (input: string, name: Projection): string => this.linear(input, layer, name);
    const normed = this.norm(x, `${prefix}.input_layernorm.weight`);
    const heads = (name: 'q_proj' | 'k_proj' | 'v_proj', count: number): string => {
      const split = graph.op('Reshape', [linear(normed, name), graph.ints(0, 0, count, headDim)]);
      const named =
        config.qkNorm && name !== 'v_proj' ? this.norm(split, `${prefix}.self_attn.${name[0]}_norm.weight`) : split;
      return graph.op('Transpose', [named], { perm: [0, 2, 1, 3] });
    };
    const q = turn(heads('q_proj', numHeads));
    const keys = this.withPast(layer, 'key', turn(heads('k_proj', numKvHeads)));
    const values = this.withPast(layer, 'value', heads('v_proj', numKvHeads));
    const products = graph.op('MatMul', [q, graph.op('Transpose', [this.widen(keys)], { perm: [0, 1, 3, 2] })]);
    const scores = graph.op('Add', [graph.op('Mul', [products, graph.float(1 / Math.sqrt(headDim))]), bias]);
    const mixed = graph.op('MatMul', [graph.op('Softmax', [scores], { axis: -1 }), this.widen(values)]);
    const rows = graph.op('Transpose', [mixed], { perm: [0, 2, 1, 3] });
    const joined = graph.op('Reshape', [rows, graph.ints(0, 0, numHeads * headDim)]);
    const attended = graph.op('Add', [x, linear(joined, 'o_proj')]);
    const again = this.norm(attended, `${prefix}.post_attention_layernorm.weight`);
    const gate = linear(again, 'gate_proj');
    const act = graph.op('Mul', [gate, graph.op('Sigmoid', [gate])]);
    return graph.op('Add', [attended, linear(graph.op('Mul', [act, linear(again, 'up_proj')]), 'down_proj')]);
  }

  private withPast(layer: number, which: 'key' | 'value', fresh: string): string {
    const { numKvHeads, headDim } = this.config;
    const past = `past_key_values.${layer}.${which}`;
    const present = `present.${layer}.${which}`;
    this.graph.input(past, FLOAT, ['batch_size', numKvHeads, 'past_sequence_length', headDim]);
    this.graph.output(present, FLOAT, ['batch_size', numKvHeads, 'total_sequence_length', headDim]);
    return this.graph.op('Concat', [past, fresh], { axis: 2 }, present);
  }

  /** Each key/value head as often as query heads read it. */
  private widen(x: string): string {
    const { graph, config } = this;
    const { numHeads, numKvHeads, headDim } = config;
    if (numHeads === numKvHeads) return x;
    const sizes = graph.op('Shape', [x]);
    const size = (axis: number): string => graph.op('Gather', [sizes, graph.ints(axis)]);
    const [rows, length] = [size(0), size(2)];
    const group = numHeads / numKvHeads;
    const list = (...parts: string[]): string => graph.op('Concat', parts, { axis: 0 });
    const spread = list(rows, graph.ints(numKvHeads, group), length, graph.ints(headDim));
    const repeated = graph.op('Expand', [graph.op('Unsqueeze', [x, graph.ints(2)]), spread]);
    return graph.op('Reshape', [repeated, list(rows, graph.ints(numHeads), length, graph.ints(headDim))]);
  }

  private norm(x: string, name: string): string {
    const { graph } = this;
    const mean = graph.op('ReduceMean', [graph.op('Mul', [x, x])], { axes: [-1], keepdims: 1 });
    const root = graph.op('Sqrt', [graph.op('Add', [mean, graph.float(this.config.rmsNormEps)])]);
    return graph.op('Mul', [graph.op('Div', [x, root]), this.tensor(name)]);
  }

  private linear(x: string, layer: number, projection: Projection): string {
    const y = this.product(x, projectionName(layer, projection));
    const biased = this.config.qkvBias && 'qkv'.includes(projection[0] as string);
    return biased ? this.graph.op('Add', [y, this.tensor(projectionName(layer, projection, 'bias'))]) : y;
  }

  /** x · Wᵀ */
  private product(x: string, name: string, out?: string): string {
    const { graph, options } = this;
    const { shape, data } = this.host(name);
    const [outputs, inputs] = shape as [number, number];
    if (options.products === 'f32') {
      const weight = graph.floats(`${name}:transposed`, [inputs, outputs], transposed(data, outputs, inputs));
      return graph.op('MatMul', [x, weight], {}, out);
    }
    const { blocks, packed, scales } = packInt4(data, outputs, inputs);
    const weight = graph.bytes(`${name}:int4`, [outputs, blocks, BLOCK / 2], packed);
    const scale = graph.floats(`${name}:scales`, [outputs * blocks], scales);
    const sizes = { K: inputs, N: outputs, bits: 4, block_size: BLOCK, accuracy_level: options.accuracy ?? 0 };
    return graph.op('MatMulNBits', [x, weight, scale], sizes, out);
  }

  /** Turns heads [B, n, S, Dh] by the angles of their positions. */
  private rotation(): (x: string) => string {
    const { graph, config } = this;
    const { cos, sin } = ropeTable(config, this.options.positions);
    const half = config.headDim / 2;
    const shape = [this.options.positions, config.headDim];
    const angles = (name: string, table: Float32Array): string =>
      graph.op('Unsqueeze', [
        graph.op('Gather', [graph.floats(name, shape, twice(table, half)), 'position_ids']),
        graph.ints(1),
      ]);
    const [c, s] = [angles('cos', cos), angles('sin', sin)];
    return (x) => {
      const part = (from: number, to: number): string =>
        graph.op('Slice', [x, graph.ints(from), graph.ints(to), graph.ints(-1)]);
      const turned = graph.op('Concat', [graph.op('Neg', [part(half, 2 * half)]), part(0, half)], { axis: -1 });
      return graph.op('Add', [graph.op('Mul', [x, c]), graph.op('Mul', [turned, s])]);
    };
  }

  /** 0 where query i may read key j (j ≤ P + i, and not padding), else a number that no score outweighs: [B, 1, S, P + S]. */
  private maskBias(): string {
    const { graph } = this;
    const size = (input: string): string => graph.op('Gather', [graph.op('Shape', [input]), graph.int(1)]);
    const total = size('attention_mask');
    const past = graph.op('Sub', [total, size('input_ids')]);
    const range = (from: string): string => graph.op('Range', [from, total, graph.int(1)]);
    const queries = graph.op('Unsqueeze', [range(past), graph.ints(-1)]);
    const keys = graph.op('Unsqueeze', [range(graph.int(0)), graph.ints(0)]);
    const causal = graph.op('Unsqueeze', [graph.op('LessOrEqual', [keys, queries]), graph.ints(0, 1)]);
    const kept = graph.op('Unsqueeze', [graph.op('Cast', ['attention_mask'], { to: BOOL }), graph.ints(1, 2)]);
    return graph.op('Where', [graph.op('And', [causal, kept]), graph.float(0), graph.float(-3e38)]);
  }

  private tensor(name: string): string {
    const { shape, data } = this.host(name);
    return this.graph.floats(name, shape, data);
  }

  private host(name: string): HostTensor {
    return this.weights.tensors.get(name) as HostTensor;
  }
}

function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out[column * rows + row] = data[row * columns + column] as number;
  }
  return out;
}

/** [positions, half] → [positions, 2 · half], since element i of a head turns with element i + half. */
function twice(table: Float32Array, half: number): Float32Array {
  const out = new Float32Array(2 * table.length);
  for (let at = 0; at < table.length; at += half) {
    const row = table.subarray(at, at + half);
    out.set(row, 2 * at);
    out.set(row, 2 * at + half);
  }
  return out;
}
