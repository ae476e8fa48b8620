/** The prefix cache on the device: the same bits as without it, and the tokens it saves. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { copyAdapterWeights } from '../../src/engine/peft';
import {
  DEFAULT_OPTIMISER,
  type AdapterId,
  type CacheDtype,
  type EngineOptions,
  type GenerateRequest,
  type GenerateResult,
  type SamplingSettings,
  type WeightDtype,
} from '../../src/engine/types';
import { drawUniform } from '../../src/random';
import { readGolden, type Golden } from './golden';

const OPTIONS: EngineOptions = { maxRows: 12, maxAdapters: 4, maxRank: 8, maxLength: 128, selfCheck: false };
const SAMPLING: SamplingSettings = { temperature: 1, topK: 0, topP: 1, maxTokens: 6, stopIds: [2] };

let golden: Golden;
let engine: WebGpuEngine;
let plain: WebGpuEngine;
let drawn = 0;
const below = (n: number): number => Math.floor(drawUniform({ seed: 12, stream: 0 }, drawn++) * n);
const ids = (length: number): number[] => Array.from({ length }, () => 3 + below(golden.weights.config.vocabSize - 3));

async function open(model: string, tiles: 'cpu' | 'gpu', cache: CacheDtype, dtype: WeightDtype): Promise<void> {
  golden = await readGolden(model);
  const gpu = await openNodeGpu();
  const options = { ...OPTIONS, tiles, cache, dtype };
  engine = await WebGpuEngine.create(gpu, golden.weights, options);
  plain = await WebGpuEngine.create(gpu, golden.weights, { ...options, prefixCache: false });
  await both((e) => e.importAdapter('a', golden.adapter));
  await both((e) => e.importAdapter('b', golden.adapter2));
}

async function close(): Promise<void> {
  await engine?.dispose();
  await plain?.dispose();
}

/** What an operation gives on the engine with the cache; it must be what it gives without. */
async function both<T>(operation: (engine: WebGpuEngine) => Promise<T>): Promise<T> {
  const result = await operation(engine);
  expect(await operation(plain)).toEqual(result);
  return result;
}

let problem = 0;
function request(
  prompt: number[],
  adapter: AdapterId | null,
  changes: Partial<SamplingSettings> = {},
): GenerateRequest {
  const key = { seed: 3, stream: 1, iteration: 0, agent: 0, problem: problem++, round: 0 };
  return { ids: prompt, adapter, sampling: { ...SAMPLING, ...changes }, key };
}

/** Generates on both engines; how many tokens of prompts were computed and how many taken over by the one with the cache. */
async function generate(
  requests: GenerateRequest[],
): Promise<{ results: GenerateResult[]; prefilled: number; reused: number }> {
  const before = engine.counters;
  const results = await both((e) => e.generate(requests));
  const { prefilled, reused } = engine.counters;
  const tokens = requests.reduce((sum, asked) => sum + asked.ids.length, 0);
  expect(prefilled - before.prefilled + reused - before.reused).toBe(tokens);
  return { results, prefilled: prefilled - before.prefilled, reused: reused - before.reused };
}

// What is taken over was computed in other batches, and by decoding instead of prefill: other kernels on a GPU.
describe.each([
  ['llama', 'cpu', 'f32', 'f32'],
  ['qwen2', 'cpu', 'f32', 'f32'],
  ['qwen3', 'cpu', 'f32', 'f32'],
  ['llama', 'gpu', 'f32', 'f32'],
  ['qwen3', 'cpu', 'f16', 'f32'],
  ['llama', 'gpu', 'f16', 'f32'],
  // Where the device has f16, products are computed in it, and adapters are read in it.
  ['llama', 'gpu', 'f16', 'int4'],
] as const)(
  'the prefix cache on %s with %s kernels, keys and values in %s, weights in %s',
  (model, tiles, cache, dtype) => {
    beforeAll(() => open(model, tiles, cache, dtype));
    afterAll(close);

    it('plays a debate of three agents to the same bits, each round upon the one before', async () => {
      const system = ids(20);
      const agents = [null, 'a', 'b'];
      // More rows than there are, prompts of more than one batch.
      let asked = Array.from({ length: 7 }, () => [...system, ...ids(5 + below(20))]).flatMap((prompt) =>
        agents.map((adapter) => request(prompt, adapter)),
      );
      let reused = 0;
      for (let round = 0; round < 3; round++) {
        const played = await generate(asked);
        reused += played.reused;
        asked = asked.map(({ ids: prompt, adapter }, i) =>
          request([...Array.from(prompt), ...(played.results[i] as GenerateResult).ids, ...ids(4)], adapter),
        );
      }
      expect(reused).toBeGreaterThan(3 * 20 * agents.length);
      expect(plain.counters.reused).toBe(0);
    });

    it('computes a beginning once per adapter, and the last token of a prompt always', async () => {
      const stem = ids(40);
      const prompts = Array.from({ length: 5 }, (_, i) => [...stem, 5 + i, ...ids(3)]);
      const first = await generate(prompts.flatMap((prompt) => ['a', 'b'].map((adapter) => request(prompt, adapter))));
      expect(first.reused).toBe(2 * 4 * 40);
      const again = await generate(prompts.map((prompt) => request(prompt, 'a')));
      expect(again.prefilled).toBe(prompts.length);
      // The base has seen nothing of it.
      expect((await generate([request(stem, null)])).prefilled).toBe(40);
    });

    it('goes on after an answer without computing it again', async () => {
      const prompt = ids(30);
      const [answer] = (await generate([request(prompt, 'a', { maxTokens: 20, stopIds: [] })])).results;
      const next = [...prompt, ...answer!.ids, ...ids(2)];
      // All but the answer's last token and the two new ones.
      expect((await generate([request(next, 'a')])).prefilled).toBe(3);
    });

    it('forgets an adapter that is trained, replaced or deleted, and knows a copy', async () => {
      const prompt = ids(50);
      const ask = async (adapter: AdapterId): Promise<number> => (await generate([request(prompt, adapter)])).prefilled;
      expect(await ask('a')).toBe(50);
      expect(await ask('a')).toBe(1);
      await both((e) => e.copyAdapter('a', 'c'));
      expect(await ask('c')).toBe(1);
      const batches = [[0, 1], [2]];
      await both(async (e) => {
        const tracks = [{ adapter: 'a', examples: golden.sequences, batches }];
        const optimiser = { ...DEFAULT_OPTIMISER, lr: 0.05 };
        for await (const { step } of e.train({ objective: 'sft', tracks, optimiser })) expect(step).toBeLessThan(2);
      });
      expect(await ask('a')).toBe(50);
      expect(await ask('c')).toBe(1);
      const other = copyAdapterWeights(golden.adapter);
      for (const { data } of other.tensors.values()) data.forEach((value, i) => (data[i] = 3 * value));
      await both((e) => e.importAdapter('c', other));
      expect(await ask('c')).toBe(50);
      await both((e) => e.deleteAdapter('c'));
      await both((e) => e.importAdapter('d', golden.adapter));
      expect(await ask('d')).toBe(50);
      await both((e) => e.deleteAdapter('d'));
      await both((e) => e.importAdapter('a', golden.adapter));
    });

    it('is right after generation was stopped in the middle', async () => {
      const stem = ids(60);
      const requests = Array.from({ length: 30 }, () =>
        request([...stem, ...ids(1 + below(40))], 'b', { maxTokens: 8 }),
      );
      for (const reads of [1, 3, 9]) {
        const abort = new AbortController();
        let seen = 0;
        const onTokens = (): void => {
          if (++seen === reads) abort.abort(new Error('enough'));
        };
        await expect(engine.generate(requests, { onTokens, signal: abort.signal })).rejects.toThrow('enough');
        await generate(requests.slice(reads, reads + 14));
      }
      await generate(requests);
    });

    it('scores completions of one prompt without computing the prompt for each', async () => {
      const prompts = [ids(40), ids(25)];
      const scored = prompts.flatMap((prompt) =>
        Array.from({ length: 9 }, (_, i) => ({
          ids: [...prompt, ...(i === 8 ? [3, 4] : ids(4))],
          adapter: [null, 'a'][i % 2]!,
        })),
      );
      scored.push(scored[0]!, scored[3]!);
      const before = engine.counters;
      await both((e) => e.score(scored));
      const { prefilled, reused } = engine.counters;
      const wanted = scored.reduce((sum, asked) => sum + asked.ids.length - 1, 0);
      expect(prefilled - before.prefilled + reused - before.reused).toBe(wanted);
      expect(reused - before.reused).toBeGreaterThan(10 * 24);
      // Scoring has used rows, and they hold what it left there.
      await generate(prompts.map((prompt) => request([...prompt, 7], 'a')));
    });
  },
);
