/** Conformance: greedy and seeded sampling, rows that do not disturb each other, stopping, reporting. */
import { expect, it } from 'vitest';
import type { GenerateRequest, GenerateResult, SamplingSettings } from '../../../src/engine/types';
import { STREAMS } from '../../../src/random';
import type { Golden } from '../golden';
import { OPTIONS, type Context } from './shared';

export function generation(context: Context): void {
  const greedy: SamplingSettings = { temperature: 0, topK: 0, topP: 1, maxTokens: 12, stopIds: [] };
  const seeded: SamplingSettings = { temperature: 1, topK: 0, topP: 1, maxTokens: 12, stopIds: [] };
  const request = (golden: Golden, i: number, sampling: SamplingSettings, problem = i): GenerateRequest => ({
    ids: Array.from(golden.sequences[i % golden.sequences.length].ids).slice(0, 3 + (i % 4)),
    adapter: [null, 'adapter', 'adapter2'][i % 3],
    sampling,
    key: { seed: 7, stream: STREAMS.sample, iteration: 1, agent: i % 3, problem, round: 2 },
  });

  it('decodes greedily to the argmax of its own logits', async () => {
    const { engine, golden } = context();
    for (const i of [0, 1, 2]) {
      const asked = request(golden, i, greedy);
      const [result] = await engine.generate([asked]);
      expect(result.ids).toHaveLength(12);
      const ids = [...Array.from(asked.ids), ...result.ids];
      const V = golden.weights.config.vocabSize;
      const logits = await engine.logits({ ids, adapter: asked.adapter });
      result.ids.forEach((id, t) => {
        const at = (asked.ids.length - 1 + t) * V;
        const [first, second] = Array.from(logits.subarray(at, at + V)).sort((a, b) => b - a);
        expect(logits[at + id]).toBeGreaterThan(first - 1e-3);
        expect(Math.abs(result.margins[t] - (first - second))).toBeLessThan(1e-3);
      });
    }
  });

  it('gives a request the same ids alone and among others, in any order', async () => {
    const { engine, golden } = context();
    const settings = [greedy, seeded, { ...seeded, topK: 5 }, { ...seeded, topP: 0.8, temperature: 1.5 }];
    const requests = Array.from({ length: 11 }, (_, i) => {
      const sampling = settings[i % settings.length];
      return request(golden, i, { ...sampling, maxTokens: 3 + ((i * 5) % 11) });
    });
    const together = await engine.generate(requests);
    const reversed = (await engine.generate(requests.slice().reverse())).reverse();
    expect(reversed.map((result) => result.ids)).toEqual(together.map((result) => result.ids));
    for (const i of [0, 3, 5, 10]) {
      const [alone] = await engine.generate([requests[i]]);
      expect(alone.ids).toEqual(together[i].ids);
    }
  });

  it('repeats itself bit for bit, and another seed gives other ids', async () => {
    const { engine, golden } = context();
    const requests = Array.from({ length: 6 }, (_, i) => request(golden, i, seeded));
    const once = await engine.generate(requests);
    expect(await engine.generate(requests)).toEqual(once);
    const other = await engine.generate(requests.map((r) => ({ ...r, key: { ...r.key, seed: 8 } })));
    expect(other.map((result) => result.ids)).not.toEqual(once.map((result) => result.ids));
  });

  it('reports the log-probabilities that score gives', async () => {
    const { engine, golden } = context();
    const requests = Array.from({ length: 6 }, (_, i) => request(golden, i, { ...seeded, temperature: 1.3, topK: 9 }));
    const results = await engine.generate(requests);
    const scores = await engine.score(
      requests.map(({ ids, adapter }, i) => ({ ids: [...Array.from(ids), ...results[i].ids], adapter })),
    );
    results.forEach(({ logprobs }, i) => {
      logprobs.forEach((logprob, t) => {
        expect(Math.abs(logprob - scores[i][requests[i].ids.length - 1 + t])).toBeLessThan(1e-3);
      });
    });
  });

  it('ends a row at a stop id, which it includes, and at maxTokens', async () => {
    const { engine, golden } = context();
    const [free] = await engine.generate([request(golden, 1, greedy)]);
    expect(free.finish).toBe('length');
    const stop = free.ids[4];
    const first = free.ids.indexOf(stop);
    const [stopped] = await engine.generate([request(golden, 1, { ...greedy, stopIds: [stop] })]);
    expect(stopped.ids).toEqual(free.ids.slice(0, first + 1));
    expect(stopped.finish).toBe('stop');
    expect(stopped.logprobs).toHaveLength(first + 1);
    const [one] = await engine.generate([request(golden, 1, { ...greedy, maxTokens: 1 })]);
    expect(one).toMatchObject({ ids: free.ids.slice(0, 1), finish: 'length' });
  });

  it('keeps top-k 1 and a tiny top-p to the most probable token', async () => {
    const { engine, golden } = context();
    const [best] = await engine.generate([request(golden, 2, greedy)]);
    const [one] = await engine.generate([request(golden, 2, { ...seeded, topK: 1 })]);
    const [nucleus] = await engine.generate([request(golden, 2, { ...seeded, topP: 1e-6 })]);
    expect(one.ids).toEqual(best.ids);
    expect(nucleus.ids).toEqual(best.ids);
  });

  it('tells of tokens and ended rows as it goes', async () => {
    const { engine, golden } = context();
    const requests = Array.from({ length: 7 }, (_, i) => request(golden, i, { ...seeded, maxTokens: 2 + i }));
    const told: number[][] = requests.map(() => []);
    const ended = new Map<number, GenerateResult>();
    const results = await engine.generate(requests, {
      onTokens: (row, ids) => told[row].push(...ids),
      onRow: (row, result) => ended.set(row, result),
    });
    expect(told).toEqual(results.map((result) => result.ids));
    expect(results.map((_, row) => ended.get(row))).toEqual(results);
  });

  it('fills the longest sequence it was made for, and answers no requests with no results', async () => {
    const { engine, golden } = context();
    const asked = request(golden, 0, { ...seeded, maxTokens: OPTIONS.maxLength - 3 });
    const [result] = await engine.generate([asked]);
    expect(result.ids).toHaveLength(OPTIONS.maxLength - 3);
    expect(await engine.generate([])).toEqual([]);
    expect(await engine.score([])).toEqual([]);
  });

  it('stops when the signal is aborted, and works on', async () => {
    const { engine, golden } = context();
    const controller = new AbortController();
    const requests = Array.from({ length: 12 }, (_, i) => request(golden, i, { ...seeded, maxTokens: 50 }));
    const work = engine.generate(requests, { signal: controller.signal });
    controller.abort(new Error('stopped by the test'));
    await expect(work).rejects.toThrow('stopped by the test');
    expect(await engine.generate([request(golden, 0, greedy)])).toHaveLength(1);
  });
}
