/** Products with the copy of adapters in f16, kernel by kernel, and an engine that answers by it. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdapterStore } from '../../src/engine/gpu/adapters';
import type { Gpu } from '../../src/engine/gpu/device';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { encodeLinear } from '../../src/engine/gpu/linear';
import { encodeLoraShrink } from '../../src/engine/gpu/lora';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { DEFAULT_OPTIMISER, type GenerateRequest } from '../../src/engine/types';
import { COPY_LIMITS, readCopy } from './adapterCopy';
import { random } from './backwardFixture';
import { readGolden, type Golden } from './golden';
import { f32Matrix, openTestGpu } from './gpu';
import { runOn } from './productFixture';

let golden: Golden;
let gpu: Gpu;
beforeAll(async () => {
  golden = await readGolden('llama');
  gpu = await openTestGpu({ tiles: 'gpu' });
});

describe('the copy of an adapter', () => {
  const stored = (adapterDtype: 'f32' | 'f16'): AdapterStore =>
    new AdapterStore(gpu, golden.weights.config, { ...COPY_LIMITS, adapterDtype });

  it.each([1, 5, 40])('gives %i tokens the bits that its rounded weights have in f32', async (tokens) => {
    const [copied, plain] = [stored('f16'), stored('f32')];
    copied.import('a', golden.adapter);
    const { slot } = copied.ready('a');
    const { weights, factor, master } = await readCopy(gpu, copied, slot);
    plain.import('a', golden.adapter);
    expect(plain.get('a').slot).toBe(slot);
    const rounded = Float32Array.from(weights, (value) => value / factor);
    expect(rounded).not.toEqual(master);
    gpu.write(plain.weights, rounded, slot * plain.layout.slotElements * 4);

    const width = golden.weights.config.hiddenSize;
    const x = gpu.upload('x', random(tokens * width));
    const w = f32Matrix(gpu, random(width * width), width, width);
    const slots = gpu.upload('slots', new Uint32Array(tokens).fill(slot));
    const computed = await Promise.all(
      [copied.decoding, plain.decoding].map(async (pool) => {
        const { layout, dtype, weights: buffer, scale } = pool;
        const { rank, slotElements } = layout;
        const [xa, y] = [gpu.buffer('xa', tokens * rank * 4), gpu.buffer('y', tokens * width * 4)];
        const at = (matrix: 'A' | 'B') => layout.offset(0, 'q_proj', matrix);
        const a = { pool: buffer, dtype, rank, slotElements, offset: at('A') };
        const lora = { xa, pool: buffer, dtype, slot: slots, rank, slotElements, offset: at('B') };
        await runOn(gpu, (program) => {
          encodeLoraShrink(gpu, program, { tokens, width, x, a, slot: slots, scale, xa });
          encodeLinear(gpu, program, { tokens, x, weight: w, y, lora });
        });
        return new Float32Array(await gpu.read(y));
      }),
    );
    expect(computed[0]).toEqual(computed[1]);
  });
});

describe.runIf((await (await openNodeGpu()).requestAdapter())?.features.has('shader-f16'))('an engine in f16', () => {
  const OPTIONS = { ...COPY_LIMITS, maxRows: 4, maxLength: 64, tiles: 'gpu', dtype: 'int4', selfCheck: false } as const;
  const engines: WebGpuEngine[] = [];
  const open = async (): Promise<WebGpuEngine> => {
    const engine = await WebGpuEngine.create(await openNodeGpu(), golden.weights, OPTIONS);
    engines.push(engine);
    return engine;
  };
  afterAll(() => Promise.all(engines.map((engine) => engine.dispose())));

  const ask = (adapter: string): GenerateRequest => ({
    ids: [5, 6, 7, 8],
    adapter,
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 6, stopIds: [] },
    key: { seed: 3, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 },
  });

  it('answers with what an adapter has learnt, as one that got it by import does, and learns in f32', async () => {
    const [engine, other] = [await open(), await open()];
    await engine.importAdapter('a', golden.adapter);
    const [before] = await engine.generate([ask('a')]);
    const tracks = [{ adapter: 'a', examples: golden.sequences, batches: [[0, 1], [2]] }];
    const job = { objective: 'sft', tracks, optimiser: { ...DEFAULT_OPTIMISER, lr: 0.01 } } as const;
    for await (const step of engine.train(job)) void step;
    const learnt = await engine.exportAdapter('a');
    await other.importAdapter('a', learnt);
    const after = await engine.generate([ask('a')]);
    expect(after).not.toEqual([before]);
    expect(await other.generate([ask('a')])).toEqual(after);
    await engine.copyAdapter('a', 'b');
    expect(await engine.generate([ask('b')])).toEqual(after);
    // What is taken out is what was learnt, not its copy.
    expect(await other.exportAdapter('a')).toEqual(learnt);
    const rounding = [...learnt.tensors.values()].some(({ data }) => data.some((v) => Math.fround(v * 4096) % 1 !== 0));
    expect(rounding).toBe(true);
  });
});
