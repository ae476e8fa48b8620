/** What a run's engine must have room for, and how training on long examples is split. */
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/backends/tokenizer';
import { parseModelConfig } from '../../src/engine/config';
import { planModel } from '../../src/engine/plan';
import { shapeConfig } from '../../src/engine/shapes';
import { speedKey } from '../../src/lab/progress/estimate';
import { perplexity } from '../../src/lab/setup/perplexity';
import { engineFor, engineOptions, resumedOn, societyLimits, trainingSize } from '../../src/lab/setup/engineOptions';
import type { RunConfig } from '../../src/recipes/config';
import { resolveConfig } from '../../src/recipes/resolve';
import { accumulationFor } from '../../src/runtimes/accumulation';
import { taskFor } from '../../src/tasks';
import { measuredProblems } from '../../src/tasks/dialect';
import { TINY_CONFIG, tinySource } from '../tasks/tinyChatModel';
import type { Engine } from '../../src/engine/types';

const GIB = 2 ** 30;

describe('engineOptions', () => {
  it('takes whole chunks in the compact dialect, and leaves the length to the engine', async () => {
    const config = resolveConfig('arithmetic-quick', { agents: 4, chunk: 10, 'adapter.rank': 4 });
    const task = taskFor(config);
    const parts = {
      task,
      measured: [],
      model: parseModelConfig(TINY_CONFIG, 'x'),
      tokenizer: await loadTokenizer(tinySource()),
    };
    expect(await engineOptions(config, parts)).toEqual({ maxRows: 40, maxAdapters: 9, maxRank: 4 });
    expect((await engineOptions({ ...config, chunk: 100 }, { ...parts, mostRows: 256 })).maxRows).toBe(256);
    expect(societyLimits(config, {})).toEqual({});
  });

  it('bounds length and rows in chat, and passes the format on', async () => {
    const config = resolveConfig('arithmetic-chat', { agents: 3, 'sampling.maxTokens': 100, dtype: 'int8' });
    const task = taskFor(config);
    const measured = measuredProblems(task, 1);
    const tokenizer = await loadTokenizer(tinySource());
    const model = parseModelConfig(TINY_CONFIG, 'x');
    const options = await engineOptions(config, { task, measured, model, tokenizer });
    expect(options.dtype).toBe('int8');
    expect(options.maxLength).toBeGreaterThan(300);
    expect(options.maxLength).toBeLessThan(model.maxPositions);
    expect(options.maxRows).toBe(30);
    // Keys and values of a wide model take so much that fewer rows fit.
    const wide = { ...model, numLayers: 60, numKvHeads: 16, headDim: 128 };
    const rows = (await engineOptions(config, { task, measured, model: wide, tokenizer })).maxRows;
    expect(rows).toBeLessThan(30);
    const rowBytes = (options.maxLength as number) * 4 * 2 * 60 * 16 * 128;
    expect(rows * rowBytes).toBeLessThanOrEqual(GIB);
    expect((rows + 1) * rowBytes).toBeGreaterThan(GIB);
    // In f16 they take half: where packed weights go with f16, or where it was asked for.
    const rowsOn = async (changed: RunConfig, arithmetic: 'f32' | 'f16') =>
      (await engineOptions(changed, { task, measured, model: wide, tokenizer, arithmetic })).maxRows;
    const twice = Math.floor((2 * GIB) / rowBytes);
    expect(await rowsOn(config, 'f16')).toBe(twice);
    expect(await rowsOn({ ...config, cache: 'f16' }, 'f32')).toBe(twice);
    expect(await rowsOn(config, 'f32')).toBe(rows);
    expect(await rowsOn({ ...config, dtype: 'f32' }, 'f16')).toBe(rows);
    expect(await rowsOn({ ...config, cache: 'f32' }, 'f16')).toBe(rows);
    expect(options.cache).toBeUndefined();
    expect((await engineOptions({ ...config, cache: 'f16' }, { task, measured, model, tokenizer })).cache).toBe('f16');
    expect(
      (await engineOptions(config, { task, measured, model: { ...model, maxPositions: 64 }, tokenizer })).maxLength,
    ).toBe(64);
  });
});

describe('training on long examples', () => {
  const track = (lengths: number[], batches: number[][]) => ({
    examples: lengths.map((length) => ({ ids: new Array<number>(length).fill(0) })),
    batches,
  });

  it('is split by the largest step, down to one example of each track', async () => {
    const tracks = [track([10, 20, 30], [[0, 1], [2]]), track([40], [[0]])];
    expect(accumulationFor(tracks, 1000)).toBe(1);
    // The largest step has 10 + 20 + 40 tokens.
    expect(accumulationFor(tracks, 69)).toBe(2);
    expect(accumulationFor(tracks, 1)).toBe(2);
    expect(accumulationFor([], 10)).toBe(1);
  });

  it('of half a billion parameters with the presets stays within two GiB beside the weights', async () => {
    const config = resolveConfig('arithmetic-chat');
    const size = trainingSize(config);
    expect(size.tracks).toBe(7);
    const options = { maxRows: 1, maxAdapters: 7, maxRank: 8, maxLength: 2048, dtype: 'int4' as const };
    const plan = planModel(shapeConfig('Qwen2.5-0.5B'), options, size);
    expect(plan.total - plan.weights).toBeLessThan(2 * GIB);
    expect(societyLimits(config, options)).toMatchObject({ maxLength: 2048, trainTokens: 4096 });
  });
});

describe('perplexity', () => {
  /** Knows nothing: every token has the same chance. */
  const windows: number[] = [];
  const engine = {
    async score(requests: { ids: ArrayLike<number> }[]) {
      return requests.map(({ ids }) => {
        windows.push(ids.length);
        return new Float32Array(ids.length - 1).fill(-Math.log(50));
      });
    },
  } as unknown as Engine;

  it('predicts every token after the first once, window by window', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => i);
    const found = await perplexity(engine, ids, 10);
    expect(windows).toEqual([10, 10, 7]);
    expect(found).toMatchObject({ tokens: 24, cut: false });
    expect(found.perplexity).toBeCloseTo(50, 3);
    await expect(perplexity(engine, [1])).rejects.toThrow(/one token/);
  });

  it('leaves out the end of a very long text, and says so', async () => {
    expect(await perplexity(engine, new Array<number>(20_000).fill(1))).toMatchObject({ cut: true, tokens: 8191 });
  });
});

it('a run by RegMean is computed by the exact engine, unless another is chosen', () => {
  const merged = (rules: string) => resolveConfig('arithmetic-tiny', { 'merge.rules': rules }, 'merge');
  expect(engineFor(merged('ties,regmean'), 'auto')).toBe('exact');
  expect(engineFor(merged('ties,regmean'), 'webgpu')).toBe('webgpu');
  expect(engineFor(merged('ties'), 'auto')).toBe('auto');
  expect(engineFor(resolveConfig('arithmetic-tiny', {}, 'star'), 'auto')).toBe('auto');
  // Speeds are known by engine.
  expect(speedKey(merged('regmean'), 'auto')).toBe(speedKey(merged('ties'), 'exact'));
});

it('a run goes on on the kind of engine that its log names, unless another is chosen', () => {
  expect(resumedOn('webgpu: some device, products in f16', 'auto')).toBe('webgpu');
  expect(resumedOn('exact: arithmetic 1', 'auto')).toBe('exact');
  expect(resumedOn('', 'auto')).toBe('auto');
  expect(resumedOn('webgpu: some device', 'exact')).toBe('exact');
});
