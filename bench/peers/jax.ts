/** The training step and products of jax-js for the bench; `jaxStep.mjs` is the computation. */
import { adapterTensorName, adapterScaling } from '../../src/engine/peft';
import { DEFAULT_OPTIMISER, PROJECTIONS, type HostTensor, type ModelWeights } from '../../src/engine/types';
import { ADAPTERS, adapterWeights, stepIds } from '../exact/work';
import { peerEntry } from './ort';

interface JaxModule {
  jaxStep(model: ModelWeights, adapters: Record<string, HostTensor>[], work: object): Promise<() => Promise<number[]>>;
  jaxProducts(
    x: Float32Array,
    w: Float32Array[],
    tokens: number,
    inputs: number,
    outputs: number,
  ): Promise<() => Promise<void>>;
}

async function load(): Promise<JaxModule> {
  peerEntry('@jax-js/jax');
  return (await import(new URL('./jaxStep.mjs', import.meta.url).href)) as JaxModule;
}

/** @returns one optimiser step of all adapters, and the mean loss of each before it */
export async function openJaxStep(model: ModelWeights): Promise<() => Promise<number[]>> {
  const { config } = model;
  const weights = Array.from({ length: ADAPTERS }, (_, i) => adapterWeights(config, i));
  const adapters = weights.map(({ tensors }) => {
    const named: Record<string, HostTensor> = {};
    for (let layer = 0; layer < config.numLayers; layer++) {
      for (const projection of PROJECTIONS) {
        for (const part of ['A', 'B'] as const) {
          named[`${layer}.${projection}.${part}`] = tensors.get(
            adapterTensorName(layer, projection, part),
          ) as HostTensor;
        }
      }
    }
    return named;
  });
  const scaling = adapterScaling((weights[0] as (typeof weights)[number]).config);
  const { jaxStep } = await load();
  return jaxStep(model, adapters, { ids: stepIds(), scaling, optimiser: DEFAULT_OPTIMISER });
}

export async function openJaxProducts(
  tokens: number,
  inputs: number,
  outputs: number,
  count: number,
): Promise<() => Promise<void>> {
  const values = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => (i % 7) / 7 - 0.4);
  const w = Array.from({ length: count }, () => values(inputs * outputs));
  return (await load()).jaxProducts(values(tokens * inputs), w, tokens, inputs, outputs);
}
