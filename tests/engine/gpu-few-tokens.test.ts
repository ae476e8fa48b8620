/** The kernels for few tokens on GPUs, one for what several make in a long prompt: not a bit may differ. */

import { describe, expect, it } from 'vitest';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import type { AdapterWeights, EngineOptions, GenerateRequest, Projection } from '../../src/engine/types';
import { initAdapter } from '../../src/engine/peft';
import { readGolden } from './golden';

/**
 * Up to 128 tokens, padding among them, a layer is few dispatches. Up to 32 weights are read by columns, 16 with one read; of at most 4 a lane
 * takes whole groups of packed weights.
 */
const FEW = [100, 40, 30, 14, 3];
const MANY = 140;

/** An adapter whose B is not zero. */
function adapter(config: Parameters<typeof initAdapter>[0], targets: Projection[]): AdapterWeights {
  const made = initAdapter(config, { rank: 3, alpha: 6, targets }, 1);
  for (const [name, { data }] of made.tensors)
    if (name.includes('lora_B')) data.forEach((_, i) => (data[i] = (((i * 37) % 101) - 50) / 500));
  return made;
}

describe('few tokens have the bits that they have among many', { timeout: 240_000 }, () => {
  it.each<[string, EngineOptions, Projection[]]>([
    ['llama', { dtype: 'f32' }, ['q_proj', 'v_proj', 'up_proj']],
    ['qwen2', { dtype: 'int4', cache: 'f16' }, ['k_proj', 'o_proj', 'gate_proj', 'down_proj']],
    ['qwen3', { dtype: 'int8' }, ['q_proj', 'k_proj', 'v_proj', 'gate_proj', 'up_proj']],
    ['llama', { dtype: 'int4', arithmetic: 'f32' }, ['v_proj', 'down_proj']],
    ['qwen2', { dtype: 'int8', arithmetic: 'f32' }, ['k_proj', 'gate_proj']],
  ])('%s %j with %j', async (model, options, targets) => {
    const { weights } = await readGolden(model);
    const config = { ...weights.config, maxPositions: MANY };
    const engine = await WebGpuEngine.create(
      await openNodeGpu(),
      { ...weights, config },
      {
        ...options,
        tiles: 'gpu',
        maxRows: 2,
        maxAdapters: 1,
        maxRank: 3,
        maxLength: MANY,
        prefixCache: false,
        selfCheck: false,
      },
    );
    await engine.importAdapter('a', adapter(config, targets));
    const ids = Array.from({ length: MANY }, (_, t) => (5 * t * t + 3 * t) % config.vocabSize);
    let before: Float32Array | null = null;
    for (const name of [null, 'a']) {
      const many = await engine.logits({ ids, adapter: name });
      for (const length of FEW) {
        const few = await engine.logits({ ids: ids.slice(0, length), adapter: name });
        expect(few).toEqual(many.slice(0, few.length));
      }
      if (before) expect(many).not.toEqual(before);
      before = many;
    }
    await engine.dispose();
  });
});

it(
  'decodes rows of more than 256 keys, split over workgroups, with the bits of a prompt as long',
  { timeout: 240_000 },
  async () => {
    const { weights } = await readGolden('qwen2');
    const config = { ...weights.config, maxPositions: 600 };
    const engine = await WebGpuEngine.create(
      await openNodeGpu(),
      { ...weights, config },
      { tiles: 'gpu', maxRows: 3, maxAdapters: 1, maxRank: 3, maxLength: 600, prefixCache: false, selfCheck: false },
    );
    await engine.importAdapter('a', adapter(config, ['q_proj', 'o_proj']));
    const ids = Array.from({ length: 600 }, (_, t) => (7 * t * t + t) % config.vocabSize);
    const ask = (given: number[], maxTokens: number, n: number): GenerateRequest => ({
      ids: given,
      adapter: n % 2 === 0 ? 'a' : null,
      sampling: { temperature: 0, topK: 0, topP: 1, maxTokens, stopIds: [] },
      key: { seed: 1, stream: 1, iteration: 0, agent: 0, problem: n, round: 0 },
    });
    // One row crosses from the first segment to the second, one is in the third, one is short.
    const lengths = [250, 520, 20];
    const together = await engine.generate(lengths.map((length, n) => ask(ids.slice(0, length), 18, n)));
    for (const [n, length] of lengths.entries()) {
      const { ids: said, logprobs, margins } = together[n]!;
      for (const at of [1, 9, 17]) {
        const [alone] = await engine.generate([ask([...ids.slice(0, length), ...said.slice(0, at)], 1, n)]);
        expect(alone!.ids[0]).toBe(said[at]);
        expect(alone!.logprobs[0]).toBe(logprobs[at]);
        expect(alone!.margins[0]).toBe(margins[at]);
      }
    }
    await engine.dispose();
  },
);
