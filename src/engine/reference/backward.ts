/** Loss of one training sequence and the gradients of its adapter. */
import type { HostTensor, TrainExample } from '../types';
import { adapterTensorName, HEAD_TENSOR } from '../peft';
import { forEachLogitsBlock, forwardSpans, gatherRows, passingCache } from './forward';
import { layerBackward } from './layerBackward';
import { loraLayers, type Decoder, type LoadedAdapter, type LoraLayer } from './model';
import type { Pacer } from './pacer';

const f = Math.fround;

/** Gradients of an adapter in one array, tensor after tensor in the adapter's order, and the same by layer. */
export interface AdapterGradients {
  flat: Float32Array;
  /** Of the head [D]; null of an adapter without. */
  head: Float32Array | null;
  layers: LoraLayer<Float32Array>[];
}

/** What a sequence contributes to a step. */
export interface SequenceWork {
  example: TrainExample;
  /** Σ |w| over the whole batch of the track. */
  total: number;
  /** Where the weights pull: at predictions of tokens, or at the reward that the adapter's head reads. */
  at: 'tokens' | 'reward';
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

/** Views of the array that sequences of one adapter fill one after the other. */
const viewsOf = new WeakMap<Float32Array, { adapter: LoadedAdapter; gradients: AdapterGradients }>();

/** Zeros in the pass's room. */
function zeroGradients({ arithmetic, config }: Decoder, adapter: LoadedAdapter): AdapterGradients {
  const { weights } = adapter;
  const flat = arithmetic.scratch.zeros('gradients', adapterNumbers(weights.tensors));
  const known = viewsOf.get(flat);
  if (known?.adapter === adapter) return known.gradients;
  const views = tensorViews(flat, weights.tensors);
  const data = (layer: number, projection: Parameters<typeof adapterTensorName>[1], part: 'A' | 'B'): Float32Array =>
    (views.get(adapterTensorName(layer, projection, part)) as HostTensor).data;
  const layers = loraLayers(config, weights.config.targets, (layer, projection) => ({
    a: data(layer, projection, 'A'),
    b: data(layer, projection, 'B'),
  }));
  const gradients = { flat, head: views.get(HEAD_TENSOR)?.data ?? null, layers };
  viewsOf.set(flat, { adapter, gradients });
  return gradients;
}

/**
 * One pass: the sequence's Σ w·nll and the gradient of Σ w·nll / total, summed over the sequence's tokens alone; valid until the
 * next pass.
 */
export async function sequenceGradient(
  decoder: Decoder,
  adapter: LoadedAdapter,
  { example, total, at }: SequenceWork,
  pacer: Pacer,
): Promise<{ loss: number; gradient: Float32Array }> {
  const { arithmetic, config } = decoder;
  const { scratch } = arithmetic;
  const D = config.hiddenSize;
  // The last id of a sequence that is pulled at its reward is not there.
  const ids = at === 'reward' ? Array.from(example.ids).slice(0, -1) : example.ids;
  const T = ids.length;
  scratch.begin();
  const { flat, head, layers } = zeroGradients(decoder, adapter);
  // Position t predicts id t + 1; positions whose prediction has no weight need no logits.
  const rows: number[] = [];
  for (let t = 0; t + 1 < example.ids.length; t++) if (example.weights[t + 1] !== 0) rows.push(t);
  if (rows.length === 0) return { loss: 0, gradient: flat };

  const span = { ids, start: 0, cache: passingCache(decoder, T, 'f32'), adapter };
  const { x, activations } = await forwardSpans(decoder, [span], true, pacer);
  const selected = gatherRows(decoder, x, rows, D);
  const dSelected = scratch.zeros('dSelected', rows.length * D);
  const loss =
    at === 'reward'
      ? rewardBackward(decoder, adapter, selected, dSelected, head as Float32Array, rowWeights(example, rows, total))
      : await tokensBackward(decoder, example, total, rows, selected, dSelected, pacer);

  const dx = scratch.zeros('dx', T * D);
  rows.forEach((t, i) => dx.set(dSelected.subarray(i * D, (i + 1) * D), t * D));
  for (let layer = config.numLayers - 1; layer >= 0; layer--) {
    await layerBackward(dx, decoder, layer, activations[layer], adapter, layers[layer], pacer);
    if (pacer.due) await pacer.pause();
  }
  return { loss, gradient: flat };
}

/** Predictions of the tokens after `rows`: dSelected += gradient by their hidden states. Returns Σ w·nll. */
async function tokensBackward(
  decoder: Decoder,
  example: TrainExample,
  total: number,
  rows: readonly number[],
  selected: Float32Array,
  dSelected: Float32Array,
  pacer: Pacer,
): Promise<number> {
  const { arithmetic, config } = decoder;
  const { scratch } = arithmetic;
  const D = config.hiddenSize;
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
  return loss;
}

function rowWeights(example: TrainExample, rows: readonly number[], total: number): number[] {
  return rows.map((t) => f(f(example.weights[t + 1] as number) / total));
}

/**
 * Gradient of −Σ w·reward: dSelected += the one by the hidden states, dHead += the one by the head. The loss is the caller's, who has
 * the weights from it.
 */
function rewardBackward(
  { arithmetic, config, norm }: Decoder,
  { weights }: LoadedAdapter,
  selected: Float32Array,
  dSelected: Float32Array,
  dHead: Float32Array,
  pulls: readonly number[],
): number {
  const { scratch } = arithmetic;
  const { hiddenSize: D, rmsNormEps } = config;
  const n = pulls.length;
  const head = scratch.get('rewardHead', D);
  head.set((weights.tensors.get(HEAD_TENSOR) as HostTensor).data);
  const normed = scratch.get('headIn', n * D);
  const rstd = scratch.get('headRstd', n);
  const dNormed = scratch.get('dHeadIn', n * D);
  arithmetic.rmsnormForward(normed, rstd, selected, norm, n, D, rmsNormEps);
  pulls.forEach((pull, i) => {
    const row = [i * D, (i + 1) * D] as const;
    arithmetic.scale(dNormed.subarray(...row), head, -pull);
    arithmetic.addScaled(dHead, normed.subarray(...row), -pull);
  });
  arithmetic.rmsnormBackward(dSelected, dNormed, selected, rstd, norm, n, D);
  return 0;
}
