/** The bench's generations and products in ONNX Runtime. */
import type { ModelWeights } from '../../src/engine/types';
import { exportModel } from '../../tools/onnx/export';
import { FLOAT, OnnxGraph } from '../../tools/onnx/graph';
import { ADAPTERS, adapterWeights, NEW_TOKENS, requests } from '../exact/work';
import { OrtDecoder, OrtProduct, type OrtKind } from './ort';

/** The base and one merged model for each adapter, in sessions of their own. */
export class OrtSociety {
  private constructor(
    private readonly base: OrtDecoder,
    private readonly adapted: readonly OrtDecoder[],
  ) {}

  static async open(kind: OrtKind, threads: number, weights: ModelWeights): Promise<OrtSociety> {
    const { config } = weights;
    const open = (bytes: Uint8Array): Promise<OrtDecoder> => OrtDecoder.open(kind, threads, bytes, config);
    const adapted: OrtDecoder[] = [];
    for (let i = 0; i < ADAPTERS; i++) {
      adapted.push(await open(exportModel(weights, { adapter: adapterWeights(config, i) })));
    }
    return new OrtSociety(await open(exportModel(weights)), adapted);
  }

  /** The rows of one adapter after those of another: a session has one set of weights. */
  async generate(rows: number, adapters: number): Promise<void> {
    const prompts = requests(rows, adapters).map(({ ids }) => Array.from(ids));
    if (adapters === 0) return void (await this.base.generate(prompts, NEW_TOKENS, sampled));
    for (const [index, decoder] of this.adapted.entries()) {
      const own = prompts.filter((_, row) => row % adapters === index);
      if (own.length > 0) await decoder.generate(own, NEW_TOKENS, sampled);
    }
  }

  async close(): Promise<void> {
    for (const decoder of [this.base, ...this.adapted]) await decoder.close();
  }
}

/** A token at temperature 1, as cheaply as JavaScript can: neither log-probability nor margin. */
export function sampled(logits: Float32Array): number {
  let largest = -Infinity;
  for (const value of logits) largest = Math.max(largest, value);
  const weights = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += weights[i] = Math.exp((logits[i] as number) - largest);
  let rest = Math.random() * total;
  for (let i = 0; i < logits.length; i++) if ((rest -= weights[i] as number) < 0) return i;
  return logits.length - 1;
}

/** `count` products of one x [tokens, inputs] with as many matrices, in one call. */
export function openProducts(
  kind: OrtKind,
  tokens: number,
  inputs: number,
  outputs: number,
  count: number,
): Promise<OrtProduct> {
  const graph = new OnnxGraph();
  const x = graph.input('x', FLOAT, [tokens, inputs]);
  for (let i = 0; i < count; i++) {
    const values = Float32Array.from({ length: inputs * outputs }, (_, at) => ((at + i) % 7) / 7 - 0.4);
    const w = graph.floats(`w${i}`, [inputs, outputs], values);
    graph.output(graph.op('MatMul', [x, w], {}, `y${i}`), FLOAT, [tokens, outputs]);
  }
  return OrtProduct.open(kind, graph.finish(), tokens, inputs);
}
