/** Backward of one decoder layer for a single sequence from position 0 (forward: layer.ts). */
import type { Projection } from '../types';
import type { Arithmetic } from './arithmetic';
import { loraHiddenName, type LayerActivations } from './layer';
import { linearBackward, loraBackward } from './linear';
import type { Decoder, LoadedAdapter, LoraLayer } from './model';
import type { Pacer } from './pacer';

/**
 * @param dx [T, D] gradient of the layer's output; holds the gradient of its input afterwards (layer 0's is not completed:
 *   nothing below it learns)
 * @param gradients the adapter's gradients of this layer, added to
 */
export async function layerBackward(
  dx: Float32Array,
  decoder: Decoder,
  layer: number,
  activations: LayerActivations,
  adapter: LoadedAdapter,
  gradients: LoraLayer<Float32Array>,
  pacer: Pacer,
): Promise<void> {
  const { arithmetic } = decoder;
  const { scratch } = arithmetic;
  const { hiddenSize: D, intermediateSize: F, numHeads: H, numKvHeads: K, headDim: Dh } = decoder.config;
  const weights = decoder.layers[layer];
  const a = activations;
  const T = a.attentionRstd.length;
  const project = async (
    dInput: Float32Array | null,
    dy: Float32Array,
    x: Float32Array,
    projection: Projection,
  ): Promise<void> => {
    const linear = weights.projections[projection];
    if (dInput !== null) await linearBackward(arithmetic, dInput, dy, linear, T, pacer);
    const pair = adapter.layers[layer][projection];
    const gradient = gradients[projection];
    if (!pair || !gradient) return;
    const h = scratch.get(loraHiddenName(layer, projection), T * adapter.rank);
    loraBackward(arithmetic, dInput, gradient, dy, x, h, pair, adapter.scaling, T);
  };

  const dact = scratch.zeros('dact', T * F);
  await project(dact, dx, a.act, 'down_proj');
  const dgate = scratch.get('dgate', T * F);
  const dup = scratch.get('dup', T * F);
  arithmetic.swigluBackward(dgate, dup, dact, a.gate, a.up, a.sigma as Float32Array);
  const dnorm = scratch.zeros('dnorm', T * D);
  await project(dnorm, dgate, a.mlpIn, 'gate_proj');
  await project(dnorm, dup, a.mlpIn, 'up_proj');
  arithmetic.rmsnormBackward(dx, dnorm, a.middle, a.mlpRstd, weights.postAttentionNorm, T, D);

  const dattention = scratch.zeros('dattention', T * H * Dh);
  await project(dattention, dx, a.attentionOut, 'o_proj');
  let dq = scratch.get('dq', T * H * Dh);
  let dk = scratch.get('dk', T * K * Dh);
  const dv = scratch.get('dv', T * K * Dh);
  arithmetic.attentionBackward(dq, dk, dv, dattention, a.q, a.k, a.v, a.probs, T, decoder.attention);
  arithmetic.rotate(dq, decoder.rope, T, 0, H, Dh, -1);
  arithmetic.rotate(dk, decoder.rope, T, 0, K, Dh, -1);
  if (weights.qNorm !== null) dq = normGradient('dqRaw', dq, a.qRaw, a.qRstd, weights.qNorm, Dh, arithmetic);
  if (weights.kNorm !== null) dk = normGradient('dkRaw', dk, a.kRaw, a.kRstd, weights.kNorm, Dh, arithmetic);
  const below = layer === 0 ? null : dnorm.fill(0);
  await project(below, dq, a.attentionIn, 'q_proj');
  await project(below, dk, a.attentionIn, 'k_proj');
  await project(below, dv, a.attentionIn, 'v_proj');
  if (below !== null) arithmetic.rmsnormBackward(dx, below, a.input, a.attentionRstd, weights.inputNorm, T, D);
}

function normGradient(
  name: string,
  dy: Float32Array,
  x: Float32Array,
  rstd: Float32Array,
  weight: Float32Array,
  n: number,
  arithmetic: Arithmetic,
): Float32Array {
  const dx = arithmetic.scratch.zeros(name, dy.length);
  arithmetic.rmsnormBackward(dx, dy, x, rstd, weight, rstd.length, n);
  return dx;
}
