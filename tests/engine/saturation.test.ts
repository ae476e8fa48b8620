/** What is too large for f16 is counted, by number, on both engines: weights, scales of groups, keys and values. */
import { beforeAll, describe, expect, it } from 'vitest';
import { AdapterError } from '../../src/engine/errors';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { createMatrix, MatrixPacker } from '../../src/engine/gpu/matrix';
import type { Gpu } from '../../src/engine/gpu/device';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { initAdapter } from '../../src/engine/peft';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { PackingErrors } from '../../src/engine/reference/quantise';
import { cacheNotice, SaturationWatch, watchedEngine, weightsNotice } from '../../src/engine/saturation';
import type {
  Engine,
  EngineOptions,
  EngineReport,
  ModelWeights,
  TensorError,
  WeightDtype,
} from '../../src/engine/types';
import { readGolden } from './golden';
import { openTestGpu } from './gpu';

let gpu: Gpu;
let model: ModelWeights;
beforeAll(async () => {
  gpu = await openTestGpu();
  model = (await readGolden('llama')).weights;
});

const OPTIONS = { maxRows: 2, maxAdapters: 2, maxRank: 4, maxLength: 32 };
const ENGINES: [string, (weights: ModelWeights, options: EngineOptions) => Promise<Engine>][] = [
  ['reference', (weights, options) => ReferenceEngine.create(weights, { ...OPTIONS, ...options })],
  ['WebGPU', async (weights, options) => WebGpuEngine.create(await openNodeGpu(), weights, { ...OPTIONS, ...options })],
];

/** Rows of 100: 3 whole groups of 32 and one of 4. */
function crafted(): Float32Array {
  const data = Float32Array.from({ length: 6 * 100 }, (_, i) => ((i * 37) % 101) / 50 - 1);
  data.set([65504, -65504, 65504.01, -65505, 65519, 65520, 1e6, -3e38], 0);
  // Scales of int8 reach 1023.5 · 127 = 129984.5, those of int4 1023.5 · 8 = 8188.
  data.set([129984], 132);
  data.set([-129986], 164);
  data.set([8188], 196);
  data.set([-8189], 299);
  return data;
}
const COUNTS = { f16: 8, int8: 2, int4: 4 };

describe.each(['f16', 'int8', 'int4'] as const)('weights as %s', (dtype) => {
  it('are counted to the number by both packers, piece by piece', async () => {
    const data = crafted();
    const [packer, host] = [new MatrixPacker(gpu), new PackingErrors()];
    const matrix = createMatrix(gpu, 'w', dtype, 6, 100);
    for (const [from, to] of [
      [0, 1],
      [1, 4],
      [4, 6],
    ] as const) {
      await packer.write('w', matrix, from, data.subarray(100 * from, 100 * to));
      host.quantise('w', data.subarray(100 * from, 100 * to), 100, dtype);
    }
    const counts = [packer.errors, host.errors].map(([error]) => [error?.values, error?.saturated]);
    packer.dispose();
    expect(counts).toEqual([
      [600, COUNTS[dtype]],
      [600, COUNTS[dtype]],
    ]);
  });

  it.each(ENGINES)('are in the report of the %s engine, tensor by tensor', async (_, open) => {
    const name = 'model.layers.1.mlp.up_proj.weight';
    const tensor = model.tensors.get(name)!;
    const data = tensor.data.slice();
    // Beyond the format, and not so far that the self-check refuses the model.
    const size = { f16: 1e5, int8: 150_000, int4: 1e4 }[dtype];
    data.set([size, -size], 0);
    const engine = await open({ ...model, tensors: new Map(model.tensors).set(name, { ...tensor, data }) }, { dtype });
    const { errors } = (await engine.report!())!;
    const cut = errors.filter(({ saturated }) => saturated > 0);
    expect(cut.map(({ name: found, saturated }) => [found, saturated])).toEqual([[name, dtype === 'f16' ? 2 : 1]]);
    expect(errors.length).toBeGreaterThan(10);
    await engine.dispose();
  });
});

/** Keys and values of the layer 0 alone become huge: its k and v projections are multiplied by this. */
function louder(factor: number): ModelWeights {
  const tensors = new Map(model.tensors);
  for (const projection of ['k_proj', 'v_proj']) {
    const name = `model.layers.0.self_attn.${projection}.weight`;
    const tensor = tensors.get(name)!;
    tensors.set(name, { ...tensor, data: tensor.data.map((value) => value * factor) });
  }
  return { ...model, tensors };
}

describe('keys and values', () => {
  const ids = [1, 5, 9, 3, 7];
  const sampling = { temperature: 0, topK: 0, topP: 1, maxTokens: 4, stopIds: [] };
  const key = { seed: 1, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 };
  const counts = async (engine: Engine): Promise<number[]> => {
    const found: number[] = [];
    let before = 0;
    const now = async (): Promise<void> => {
      const { cacheSaturated } = await engine.report!();
      found.push(cacheSaturated - before);
      before = cacheSaturated;
    };
    await now();
    await engine.score([{ ids, adapter: null }]);
    await now();
    await engine.logits({ ids, adapter: null });
    await now();
    await engine.embed([{ ids: ids.slice(0, 3), adapter: null }]);
    await now();
    await engine.generate([{ ids: ids.slice(1), adapter: null, sampling, key }]);
    await now();
    return found;
  };

  it('are counted alike by both engines, padding and self-check left out', async () => {
    const found: number[][] = [];
    for (const [, open] of ENGINES) {
      const engine = await open(louder(1e6), { cache: 'f16' });
      found.push(await counts(engine));
      await engine.dispose();
    }
    const [[start, scored = 0, ...others], [deviceStart, deviceScored = 0, ...deviceOthers]] = found as [
      number[],
      number[],
    ];
    expect([start, deviceStart]).toEqual([0, 0]);
    expect(deviceOthers).toEqual(others);
    for (const count of others) expect(count).toBeGreaterThan(20);
    // The device leaves out the last token of a score: nobody asks what follows it.
    expect(scored).toBe(others[0]);
    expect(deviceScored).toBeGreaterThan(0);
    expect(deviceScored).toBeLessThan(scored);
  });

  it.each(ENGINES)('are counted for an adapter, and not where nothing is cut off (%s)', async (_, open) => {
    const adapter = initAdapter(model.config, { rank: 4, alpha: 4, targets: ['k_proj'] }, 1);
    for (const [name, { data }] of adapter.tensors) {
      if (name.includes('layers.0.') && name.includes('lora_B')) data.fill(1e7);
    }
    for (const cache of ['f16', 'f32'] as const) {
      const engine = await open(model, { cache });
      await engine.importAdapter('a', adapter);
      await engine.score([{ ids, adapter: null }]);
      expect((await engine.report!()).cacheSaturated).toBe(0);
      await engine.score([{ ids, adapter: 'a' }]);
      const { cacheSaturated } = await engine.report!();
      if (cache === 'f32') expect(cacheSaturated).toBe(0);
      else expect(cacheSaturated).toBeGreaterThan(0);
      await engine.dispose();
    }
  });
});

describe('an adapter that is not finite', () => {
  it.each(ENGINES)('is refused by name and tensor (%s)', async (_, open) => {
    const engine = await open(model, {});
    const name = 'base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight';
    for (const value of [NaN, Infinity, -Infinity]) {
      const adapter = initAdapter(model.config, { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] }, 1);
      adapter.tensors.get(name)!.data[3] = value;
      const refused = engine.importAdapter('critic-1', adapter);
      await expect(refused).rejects.toThrow(AdapterError);
      await expect(refused).rejects.toThrow(`adapter critic-1: tensor ${name} is ${value} at [1, 1]`);
    }
    expect(engine.adapters()).toEqual([]);
    await engine.dispose();
  });
});

describe('the words', () => {
  const error = (name: string, saturated: number): TensorError => ({
    name,
    values: 1,
    relative: 0,
    largest: 0,
    saturated,
  });
  const words = (dtype: WeightDtype, ...errors: TensorError[]) => weightsNotice({ dtype, errors });

  it('are none for nothing, and name count, format and tensor', () => {
    expect([words('f16'), words('f16', error('a', 0)), cacheNotice(0)]).toEqual([null, null, null]);
    expect(words('f16', error('a', 0), error('b', 1))).toMatch(
      /^1 weight was too large for f16 and became ±65504 \(b\)/,
    );
    expect(words('int4', error('a', 1200), error('b', 1))).toMatch(
      /^1,201 scales of weights were .*±1023.5 \(a and 1 more/,
    );
    expect(cacheNotice(1)).toMatch(/^1 number among keys and values was/);
  });

  it('are said once for a run', async () => {
    const report = { dtype: 'f16', errors: [error('a', 2)], cacheSaturated: 0 } as unknown as EngineReport;
    const said: string[] = [];
    const watch = new SaturationWatch({ report: async () => report }, (message) => said.push(message));
    await watch.begin();
    await watch.look();
    expect(said).toHaveLength(1);
    report.cacheSaturated = 5;
    await watch.look();
    report.cacheSaturated = 9;
    await watch.look();
    expect(said.slice(1)).toEqual([expect.stringMatching(/^5 numbers/)]);
    await watch.begin();
    report.cacheSaturated = 12;
    await watch.look();
    expect(said.at(-1)).toMatch(/^3 numbers/);
    await new SaturationWatch({}, () => expect.fail('nothing is known')).look();
  });

  it('follow an engine', async () => {
    const said: string[] = [];
    const engine = await watchedEngine(await ENGINES[0]![1](louder(1e6), { cache: 'f16' }), (message) =>
      said.push(message),
    );
    expect(engine.info.cache).toBe('f16');
    for (let i = 0; i < 2; i++) await engine.score([{ ids: [1, 2, 3], adapter: null }]);
    expect(said).toEqual([expect.stringContaining('among keys and values')]);
    await engine.dispose();
  });
});
