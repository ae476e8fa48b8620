/** The copy of adapters in f16 that generation and scoring read: what it holds, and when it is made. */

import { beforeAll, describe, expect, it } from 'vitest';
import { AdapterStore } from '../../src/engine/gpu/adapters';
import type { Gpu } from '../../src/engine/gpu/device';
import { copyAdapterWeights } from '../../src/engine/peft';
import type { AdapterWeights } from '../../src/engine/types';
import { COPY_LIMITS, readCopy } from './adapterCopy';
import { readGolden, type Golden } from './golden';
import { openTestGpu } from './gpu';

let golden: Golden;
let gpu: Gpu;
beforeAll(async () => {
  golden = await readGolden('llama');
  gpu = await openTestGpu({ tiles: 'gpu' });
});

/** The adapter with every weight times a factor. */
function scaled(adapter: AdapterWeights, factor: number): AdapterWeights {
  const copy = copyAdapterWeights(adapter);
  for (const { data } of copy.tensors.values()) data.forEach((value, i) => (data[i] = Math.fround(value * factor)));
  return copy;
}

function stored(adapterDtype: 'f32' | 'f16'): AdapterStore {
  return new AdapterStore(gpu, golden.weights.config, { ...COPY_LIMITS, adapterDtype });
}

describe('a copy of an adapter', () => {
  it.each([1, 1e-7, 3e4])('is its weights to 11 bits, those near 0 too: times %d', async (factor) => {
    const store = stored('f16');
    store.import('other', golden.adapter2);
    store.import('a', scaled(golden.adapter, factor));
    const copy = await readCopy(gpu, store, store.ready('a').slot);
    expect(Number.isInteger(Math.log2(copy.factor))).toBe(true);
    expect(Math.max(...copy.weights.map(Math.abs))).toBeGreaterThanOrEqual(2 ** 14);
    expect(Math.max(...copy.weights.map(Math.abs))).toBeLessThanOrEqual(2 ** 15);
    const largest = Math.max(...copy.master.map(Math.abs));
    copy.master.forEach((value, i) => {
      const off = Math.abs(copy.weights[i]! / copy.factor - value);
      expect(off).toBeLessThanOrEqual(Math.max(2 ** -11 * Math.abs(value), 2 ** -28 * largest));
    });
  });

  it('is made when the adapter has changed, and only when it is asked for', async () => {
    const store = stored('f16');
    store.import('a', golden.adapter);
    const { slot } = store.get('a');
    expect((await readCopy(gpu, store, slot)).weights.every((value) => value === 0)).toBe(true);
    store.ready('a');
    const first = await readCopy(gpu, store, slot);
    // Behind the store's back: nothing is copied until it says so.
    gpu.write(store.weights, Float32Array.of(0.5), slot * store.layout.slotElements * 4);
    store.ready('a');
    expect((await readCopy(gpu, store, slot)).weights).toEqual(first.weights);
    store.changed('a');
    store.ready('a');
    const changed = await readCopy(gpu, store, slot);
    expect(changed.weights[0]! / changed.factor).toBe(0.5);
    store.delete('a');
    store.import('b', golden.adapter);
    expect(store.ready('b').slot).toBe(slot);
    expect((await readCopy(gpu, store, slot)).weights).toEqual(first.weights);
  });

  it('of zeros is zeros, and does not make a number of what is none', async () => {
    const store = stored('f16');
    store.import('a', scaled(golden.adapter, 0));
    const { slot } = store.ready('a');
    expect((await readCopy(gpu, store, slot)).weights.every((value) => value === 0)).toBe(true);
    gpu.write(store.weights, Float32Array.of(Infinity, NaN, 0.25), slot * store.layout.slotElements * 4);
    store.changed('a');
    store.ready('a');
    const { weights, factor } = await readCopy(gpu, store, slot);
    expect([...weights.slice(0, 2)]).toEqual([NaN, NaN]);
    expect(weights[2]! / factor).toBe(0.25);
  });
});
