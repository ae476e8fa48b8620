/** The engine in PyTorch looks at its numbers as the others do. Skipped where there is no PyTorch (POLYLOGUE_PYTHON, python3). */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeadTrackError } from '../../src/engine/errors';
import { ReferenceEngine } from '../../src/engine/reference/engine';
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

  it('decodes an ensemble as the oracle does, beside plain rows', async () => {
    const oracle = await ReferenceEngine.create(golden.weights);
    for (const at of [engine, oracle]) {
      await at.importAdapter('adapter', golden.adapter);
      await at.importAdapter('adapter2', golden.adapter2);
    }
    const mixture = [
      { adapter: 'adapter', weight: 2 },
      { adapter: null, weight: 1 },
      { adapter: 'adapter2', weight: 0.5 },
    ];
    const settings = [{}, { temperature: 0 }, { temperature: 0.7, topP: 0.8 }, { temperature: 1.5, topK: 4 }];
    const requests = settings.flatMap((change, problem): GenerateRequest[] => {
      const sampling = { temperature: 1, topK: 0, topP: 1, maxTokens: 10, stopIds: [], ...change };
      const key = { seed: 5, stream: 1, iteration: 0, agent: 0, problem, round: 0 };
      const plain = { ids: [1, 2 + problem, 7], sampling, key };
      return [
        { ...plain, adapter: null, mixture },
        { ...plain, adapter: 'adapter' },
        { ...plain, adapter: null, mixture: [{ adapter: 'adapter', weight: 4 }] },
      ];
    });
    const [found, wanted] = [await engine.generate(requests), await oracle.generate(requests)];
    expect(found.map(({ ids }) => ids)).toEqual(wanted.map(({ ids }) => ids));
    found.forEach(({ logprobs, margins }, row) => {
      logprobs.forEach((value, t) => expect(Math.abs(value - wanted[row]!.logprobs[t]!)).toBeLessThan(1e-3));
      margins.forEach((value, t) => expect(Math.abs(value - wanted[row]!.margins[t]!)).toBeLessThan(1e-3));
    });
  });

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
