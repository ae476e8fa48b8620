/** Loss of one training sequence and the gradients of its adapter. */
import type { HostTensor, TrainExample } from '../types';
import { crossEntropyInPlace } from './crossEntropy';
import { createCache, forEachLogitsBlock, forwardSpans, gatherRows } from './forward';
import { layerBackward } from './layerBackward';
import { matmulAdd } from './matmul';
import { loraLayers, type Decoder, type LoadedAdapter, type LoraLayer } from './model';
import type { Pacer } from './pacer';
import { rmsnormBackward } from './rmsnorm';
import type { Scratch } from './scratch';

const f = Math.fround;

/** Gradients under the adapter's tensor names, and the same arrays by layer. */
export interface AdapterGradients {
  tensors: Map<string, HostTensor>;
  layers: LoraLayer[];
}

export function zeroGradients(decoder: Decoder, adapter: LoadedAdapter): AdapterGradients {
  const tensors = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of adapter.weights.tensors) {
    tensors.set(name, { shape: shape.slice(), data: new Float32Array(data.length) });
  }
  return { tensors, layers: loraLayers(decoder.config, adapter.weights.config.targets, tensors) };
}

/**
 * Adds the gradient of Σ w·nll / total to `gradients` and returns the example's Σ w·nll.
 *
 * @param total Σ w over the whole batch of the track
 */
export async function exampleGradient(
  decoder: Decoder,
  adapter: LoadedAdapter,
  gradients: AdapterGradients,
  example: TrainExample,
  total: number,
  scratch: Scratch,
  pacer: Pacer,
): Promise<number> {
  const { config } = decoder;
  const D = config.hiddenSize;
  const T = example.ids.length;
  // Position t predicts id t + 1; positions whose prediction has no weight need no logits.
  const rows: number[] = [];
  for (let t = 0; t + 1 < T; t++) if (example.weights[t + 1] !== 0) rows.push(t);
  if (rows.length === 0) return 0;

  const span = { ids: example.ids, start: 0, cache: createCache(config, T, 'f32'), adapter };
  const { x, activations } = await forwardSpans(decoder, [span], true, scratch, pacer);
  const selected = gatherRows(x, rows, D, scratch);
  const dSelected = scratch.zeros('dSelected', rows.length * D);
  let loss = f(0);
  await forEachLogitsBlock(decoder, selected, rows.length, scratch, pacer, (logits, first, count, rstd) => {
    for (let r = 0; r < count; r++) {
      const t = rows[first + r];
      const weight = f(example.weights[t + 1]);
      const nll = crossEntropyInPlace(logits, r, config.vocabSize, example.ids[t + 1], f(weight / total));
      loss = f(loss + f(weight * nll));
    }
    const dNormed = scratch.zeros('dHeadIn', count * D);
    matmulAdd(dNormed, logits, decoder.head, count, config.vocabSize, D);
    const range = [first * D, (first + count) * D] as const;
    rmsnormBackward(dSelected.subarray(...range), dNormed, selected.subarray(...range), rstd, decoder.norm, count, D);
  });

  const dx = scratch.zeros('dx', T * D);
  rows.forEach((t, i) => dx.set(dSelected.subarray(i * D, (i + 1) * D), t * D));
  for (let layer = config.numLayers - 1; layer >= 0; layer--) {
    await layerBackward(dx, decoder, layer, activations[layer], adapter, gradients.layers[layer], scratch, pacer);
    if (pacer.due) await pacer.pause();
  }
  return loss;
}
