/** The engine in PyTorch looks at its numbers as the others do. Skipped where there is no PyTorch (POLYLOGUE_PYTHON, python3). */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeadTrackError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import { readConfig } from '../../src/engine/stream';
import { DEFAULT_OPTIMISER, PROJECTIONS, type AdapterWeights, type GenerateRequest } from '../../src/engine/types';
import { rewards } from '../engine/conformance/ranking';
import { readGolden, type Golden } from '../engine/golden';
import { TorchEngine } from '../../tools/cli/torchEngine';

const MODEL = 'tests/fixtures/golden/llama';
const python = process.env['POLYLOGUE_PYTHON'] ?? 'python3';
const missing = spawnSync(python, ['-c', 'import torch']).status !== 0;
const CONFIG = { rank: 4, alpha: 8, targets: [...PROJECTIONS] };

describe.skipIf(missing)('the engine in PyTorch', () => {
  let engine: TorchEngine;
  let golden: Golden;
  beforeAll(async () => {
    golden = await readGolden('llama');
    engine = await TorchEngine.start(MODEL, await readConfig(folderSource(MODEL)));
    await engine.importAdapter('adapter', golden.adapter);
  });
  afterAll(() => engine?.dispose());

  const examples = Array.from({ length: 8 }, (_, i) => ({ ids: [1, 2 + i, 7, 9, 4], weights: [0, 0, 1, 1, 1] }));
  async function train(lr: number, batches: number[][]): Promise<number> {
    let steps = 0;
    const optimiser = { ...DEFAULT_OPTIMISER, lr };
    const tracks = [{ adapter: 'a', examples, batches }];
    for await (const { step } of engine.train({ objective: 'sft', tracks, optimiser })) steps = step + 1;
    return steps;
  }
  async function filled(value: number): Promise<AdapterWeights> {
    await engine.createAdapter('a', CONFIG, 1);
    const weights = await engine.exportAdapter('a');
    for (const { data } of weights.tensors.values()) data.fill(value);
    await engine.importAdapter('a', weights);
    return weights;
  }
  const pass = [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ];

  rewards(() => ({ engine, golden }));

  it.each([
    [1e18, [...pass, ...pass], 1],
    [1e6, [...pass, ...pass], 1],
    [1e6, [pass.flat()], 0],
    [1e38, [[0]], 0],
  ])('stops a training at rate %s', async (lr, batches, step) => {
    await engine.createAdapter('a', CONFIG, 1);
    await expect(train(lr, batches)).rejects.toMatchObject({ name: 'NonFiniteError', place: { adapter: 'a', step } });
  });

  it('says of a dead adapter that it is, and trains a living one', async () => {
    await filled(0);
    await expect(train(1e-3, [...pass, ...pass])).rejects.toBeInstanceOf(DeadTrackError);
    await engine.createAdapter('a', CONFIG, 1);
    expect(await train(1e-3, pass)).toBe(2);
  });

  it('refuses to generate and to score with a huge adapter', async () => {
    await filled(1e18);
    const sampling = { temperature: 1, topK: 0, topP: 1, maxTokens: 3, stopIds: [] };
    const key = { seed: 1, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 };
    const ask = (adapter: string | null): GenerateRequest => ({ ids: [1, 2], adapter, sampling, key });
    const place = { adapter: 'a', row: 1, position: 0 };
    await expect(engine.generate([ask(null), ask('a')])).rejects.toMatchObject({ name: 'NonFiniteError', place });
    await expect(engine.score([ask(null), ask('a')])).rejects.toMatchObject({ place });
    expect(await engine.generate([ask(null)])).toHaveLength(1);
    await expect(filled(NaN)).rejects.toThrow(/is NaN at/);
  });
});
