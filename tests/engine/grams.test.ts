/** Gram matrices of what layers read, against a forward pass in float64; which engines give them. */
import { describe, expect, it } from 'vitest';
import { ExactEngine } from '../../src/engine/exact/engine';
import { givesGrams } from '../../src/engine/grams';
import { deltasOf } from '../../src/engine/merge/deltas';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { randomStream } from '../../src/engine/shapes';
import { collect } from '../../src/engine/stream';
import { LAYER_INPUTS, PROJECTIONS, type Gram, type HostTensor, type ModelConfig } from '../../src/engine/types';
import { nodeWorkers } from '../../tools/cli/exactLanes';
import { nll64 } from './float64Check';
import { relativeErrors } from './golden';
import { TINY } from './tinyConfig';

const CONFIG: ModelConfig = { ...TINY, hiddenSize: 12, intermediateSize: 20, vocabSize: 17, maxPositions: 32 };
const SEQUENCES = [
  [3, 1, 4, 1, 5, 9, 2, 6],
  [5, 3, 5],
  [8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2],
  // As long as there is room for.
  Array.from({ length: 32 }, (_, i) => (7 * i + 3) % 17),
];

describe('Gram matrices of layers’ inputs', () => {
  it('are those of a forward pass in float64, with and without an adapter', async () => {
    const weights = await collect(randomStream(CONFIG, 7));
    const engine = await ReferenceEngine.create(weights);
    await engine.createAdapter('a', { rank: 2, alpha: 6, targets: ['q_proj', 'down_proj', 'up_proj'] }, 5);
    const adapter = await engine.exportAdapter('a');
    for (const [name, { data }] of adapter.tensors)
      if (name.includes('lora_B')) data.forEach((_, i) => (data[i] = ((i * 7) % 11) / 40 - 0.1));
    await engine.importAdapter('a', adapter);
    // W + ΔW: what the adapter is, without adapters.
    const changed = new Map<string, { shape: readonly number[]; data: ArrayLike<number> }>(weights.tensors);
    for (const [name, { data }] of deltasOf(adapter)) {
      const own = `${name.slice('base_model.model.'.length)}.weight`;
      const { shape, data: base } = weights.tensors.get(own) as HostTensor;
      changed.set(own, { shape, data: Array.from(base, (value, i) => value + data[i]!) });
    }
    for (const [id, tensors] of [
      [null, weights.tensors],
      ['a', changed],
    ] as const) {
      const found = await engine.grams(
        SEQUENCES.map((ids) => ({ ids, adapter: id })),
        PROJECTIONS,
      );
      const wanted = found.map((layer) =>
        Object.fromEntries(LAYER_INPUTS.map((input) => [input, new Float64Array(layer[input]!.data.length)])),
      );
      for (const ids of SEQUENCES) {
        nll64(CONFIG, tensors, ids, (layer, read) => {
          for (const input of LAYER_INPUTS) {
            const x = read[input];
            x.forEach((a, i) => x.forEach((b, j) => (wanted[layer]![input]![i * x.length + j]! += a * b)));
          }
        });
      }
      found.forEach((layer, at) => {
        expect(Object.keys(layer)).toEqual([...LAYER_INPUTS]);
        for (const input of LAYER_INPUTS) {
          const { width, data } = layer[input] as Gram;
          expect(data).toHaveLength(width ** 2);
          expect(relativeErrors(data, wanted[at]![input]!).norm, `${at} ${input}`).toBeLessThan(2e-6);
        }
      });
    }
    await engine.dispose();
  });

  it('have the same bits on the exact engine, on any number of threads, and only of what is asked for', async () => {
    const weights = await collect(randomStream(CONFIG, 7));
    const requests = SEQUENCES.map((ids) => ({ ids, adapter: null }));
    const oracle = await ReferenceEngine.create(weights);
    const wanted = await oracle.grams(requests, ['v_proj', 'down_proj']);
    expect(wanted.map((layer) => Object.keys(layer))).toEqual([
      ['attention', 'gated'],
      ['attention', 'gated'],
    ]);
    expect(wanted.map(({ gated }) => gated?.width)).toEqual([20, 20]);
    for (const count of [1, 2]) {
      const engine = await ExactEngine.create(weights, {}, {}, nodeWorkers(count));
      expect(await engine.grams(requests, ['v_proj', 'down_proj']), `${count} threads`).toEqual(wanted);
      await engine.dispose();
    }
    expect((await oracle.grams([], ['o_proj'])).map(({ heads }) => heads?.data.every((one) => one === 0))).toEqual([
      true,
      true,
    ]);
    await expect(oracle.grams(requests, [])).rejects.toThrow(/asked for of no projection/);
    await expect(oracle.grams([{ ids: [], adapter: null }], ['q_proj'])).rejects.toThrow(/sequence 1 has 0 tokens/);
    await expect(oracle.grams([{ ids: [1], adapter: 'nobody' }], ['q_proj'])).rejects.toThrow(/nobody/);
  });

  it('are given by engines whose passes hand them out, for models that are not too wide', () => {
    expect(givesGrams({ kind: 'exact', config: CONFIG })).toBe(true);
    expect(givesGrams({ kind: 'reference', config: CONFIG })).toBe(true);
    expect(givesGrams({ kind: 'webgpu', config: CONFIG })).toBe(false);
    expect(givesGrams({ kind: 'torch', config: CONFIG })).toBe(false);
    const wide = { ...CONFIG, hiddenSize: 896, intermediateSize: 4864, numLayers: 24 };
    expect(givesGrams({ kind: 'exact', config: wide })).toBe(false);
  });
});
