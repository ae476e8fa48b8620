/** Loss of one training sequence and the gradients of its adapter. */
import type { HostTensor, TrainExample } from '../types';
import { adapterTensorName } from '../peft';
import { forEachLogitsBlock, forwardSpans, gatherRows, passingCache } from './forward';
import { layerBackward } from './layerBackward';
import { loraLayers, type Decoder, type LoadedAdapter, type LoraLayer } from './model';
import type { Pacer } from './pacer';

const f = Math.fround;

/** Gradients of an adapter in one array, tensor after tensor in the adapter's order, and the same by layer. */
export interface AdapterGradients {
  flat: Float32Array;
  layers: LoraLayer<Float32Array>[];
}

/** What a sequence contributes to a step. */
export interface SequenceWork {
  example: TrainExample;
  /** Σ |w| over the whole batch of the track. */
  total: number;
}

/** Numbers of an adapter. */
export function adapterNumbers(tensors: ReadonlyMap<string, HostTensor>): number {
  let sum = 0;
  for (const { data } of tensors.values()) sum += data.length;
  return sum;
}

/** Views of an array that holds the adapter's tensors one after the other. */
export function tensorViews(
  flat: Float32Array,
  tensors: ReadonlyMap<string, Pick<HostTensor, 'shape' | 'data'>>,
): Map<string, HostTensor> {
  let at = 0;
  return new Map(
    [...tensors].map(([name, { shape, data }]) => [
      name,
      { shape: shape.slice(), data: flat.subarray(at, (at += data.length)) },
    ]),
  );
}

/** Zeros in the pass's room. */
function zeroGradients({ arithmetic, config }: Decoder, { weights }: LoadedAdapter): AdapterGradients {
  const flat = arithmetic.scratch.zeros('gradients', adapterNumbers(weights.tensors));
  const views = tensorViews(flat, weights.tensors);
  const data = (layer: number, projection: Parameters<typeof adapterTensorName>[1], part: 'A' | 'B'): Float32Array =>
    (views.get(adapterTensorName(layer, projection, part)) as HostTensor).data;
  const layers = loraLayers(config, weights.config.targets, (layer, projection) => ({
    a: data(layer, projection, 'A'),
    b: data(layer, projection, 'B'),
  }));
  return { flat, layers };
}

/**
 * One pass: the sequence's Σ w·nll and the gradient of Σ w·nll / total, summed over the sequence's tokens alone; valid until the
 * next pass.
 */
export async function sequenceGradient(
  decoder: Decoder,
  adapter: LoadedAdapter,
  { example, total }: SequenceWork,
  pacer: Pacer,
): Promise<{ loss: number; gradient: Float32Array }> {
  const { arithmetic, config } = decoder;
  const { scratch } = arithmetic;
  const D = config.hiddenSize;
  const T = example.ids.length;
  scratch.begin();
  const { flat, layers } = zeroGradients(decoder, adapter);
  // Position t predicts id t + 1; positions whose prediction has no weight need no logits.
  const rows: number[] = [];
  for (let t = 0; t + 1 < T; t++) if (example.weights[t + 1] !== 0) rows.push(t);
  if (rows.length === 0) return { loss: 0, gradient: flat };

  const span = { ids: example.ids, start: 0, cache: passingCache(decoder, T, 'f32'), adapter };
  const { x, activations } = await forwardSpans(decoder, [span], true, pacer);
  const selected = gatherRows(decoder, x, rows, D);
  const dSelected = scratch.zeros('dSelected', rows.length * D);
  const nll = scratch.get('nll', rows.length);
  let loss = f(0);
  await forEachLogitsBlock(decoder, selected, rows.length, pacer, (logits, first, count, rstd) => {
    const block = rows.slice(first, first + count);
    const ids = block.map((t) => example.ids[t + 1]);
    const weights = block.map((t) => f(example.weights[t + 1]));
    const losses = nll.subarray(first, first + count);
    arithmetic.crossEntropy(
      losses,
      logits,
      config.vocabSize,
      ids,
      weights.map((weight) => f(weight / total)),
    );
    losses.forEach((value, r) => (loss = f(loss + f(weights[r] * value))));
    const dNormed = scratch.zeros('dHeadIn', count * D);
    arithmetic.productBack(dNormed, logits, decoder.head, count);
    const range = [first * D, (first + count) * D] as const;
    const dRows = dSelected.subarray(...range);
    arithmetic.rmsnormBackward(dRows, dNormed, selected.subarray(...range), rstd, decoder.norm, count, D);
  });

  const dx = scratch.zeros('dx', T * D);
  rows.forEach((t, i) => dx.set(dSelected.subarray(i * D, (i + 1) * D), t * D));
  for (let layer = config.numLayers - 1; layer >= 0; layer--) {
    await layerBackward(dx, decoder, layer, activations[layer], adapter, layers[layer], pacer);
    if (pacer.due) await pacer.pause();
  }
  return { loss, gradient: flat };
}
