/** Conformance: ensembles against a direct computation from the engine's own logits, alone and in company. */
import { describe, expect, it } from 'vitest';
import type { Engine, GenerateRequest, MixturePart, SamplingSettings } from '../../../src/engine/types';
import { drawUniform } from '../../../src/random';
import { LOGITS_ERROR, type Context } from './shared';

const MIXTURE: MixturePart[] = [
  { adapter: 'adapter', weight: 2.5 },
  { adapter: null, weight: 1 },
  { adapter: 'adapter2', weight: 0.5 },
];
const PLAIN: SamplingSettings = { temperature: 1, topK: 0, topP: 1, maxTokens: 12, stopIds: [] };
const SAMPLINGS: [string, Partial<SamplingSettings>][] = [
  ['at temperature 1', {}],
  ['at temperature 0.7', { temperature: 0.7 }],
  ['at temperature 1.8', { temperature: 1.8 }],
  ['greedily', { temperature: 0 }],
  ['from the top 5', { topK: 5, temperature: 1.3 }],
  ['from a nucleus', { topP: 0.7 }],
  ['from a nucleus of the top 9', { topK: 9, topP: 0.8, temperature: 0.9 }],
];

const request = (problem: number, more: Partial<GenerateRequest> & Pick<GenerateRequest, 'ids'>): GenerateRequest => ({
  adapter: null,
  mixture: MIXTURE,
  sampling: PLAIN,
  key: { seed: 11, stream: 1, iteration: 2, agent: 3, problem, round: 1 },
  ...more,
});

/** Σ w_k softmax(logits_k / T) after the last id, in 64 bits. */
async function mixed(engine: Engine, ids: number[], mixture: readonly MixturePart[], T: number): Promise<number[]> {
  const total = mixture.reduce((sum, { weight }) => sum + weight, 0);
  const sum: number[] = [];
  for (const { adapter, weight } of mixture) {
    const all = await engine.logits({ ids, adapter });
    const last = Array.from(all.subarray(all.length - all.length / ids.length));
    const top = Math.max(...last);
    const exps = last.map((z) => Math.exp((z - top) / T));
    const denominator = exps.reduce((a, b) => a + b, 0);
    exps.forEach((value, v) => (sum[v] = (sum[v] ?? 0) + ((weight / total) * value) / denominator));
  }
  return sum;
}

/** What top-k, then top-p leave. */
function kept(p: number[], { topK, topP }: SamplingSettings): number[] {
  const descending = (values: number[]): number[] => [...values].sort((a, b) => b - a);
  const kth = topK > 0 && topK < p.length ? descending(p)[topK - 1]! : 0;
  const left = p.map((value) => (value >= kth ? value : 0));
  const mass = topP * left.reduce((a, b) => a + b, 0);
  let sum = 0;
  const least = descending(left).find((value) => (sum += value) >= mass * (1 - 1e-7)) ?? 0;
  return topP < 1 ? left.map((value) => (value >= least ? value : 0)) : left;
}

export function ensemble(context: Context): void {
  describe('an ensemble', () => declare(context));
}

function declare(context: Context): void {
  it.each(SAMPLINGS)('samples %s what the mixture says', async (_, change) => {
    const { engine, golden } = context();
    const sampling = { ...PLAIN, ...change };
    const prompt = Array.from(golden.sequences[1].ids).slice(0, 5);
    const asked = request(4, { ids: prompt, sampling });
    const [result] = await engine.generate([asked]);
    expect(result.ids).toHaveLength(sampling.maxTokens);
    for (let t = 0; t < result.ids.length; t++) {
      const ids = [...prompt, ...result.ids.slice(0, t)];
      const plain = await mixed(engine, ids, MIXTURE, 1);
      const id = result.ids[t];
      expect(Math.abs(result.logprobs[t] - Math.log(plain[id])), `log-probability ${t}`).toBeLessThan(
        10 * LOGITS_ERROR,
      );
      const [first, second] = [...plain].sort((a, b) => b - a);
      expect(Math.abs(result.margins[t] - Math.log(first / second)), `margin ${t}`).toBeLessThan(10 * LOGITS_ERROR);
      if (sampling.temperature === 0) {
        if (Math.log(first / second) > LOGITS_ERROR) expect(plain[id]).toBe(first);
        continue;
      }
      const weights = kept(await mixed(engine, ids, MIXTURE, sampling.temperature), sampling);
      const total = weights.reduce((a, b) => a + b, 0);
      const before = weights.slice(0, id).reduce((a, b) => a + b, 0) / total;
      const u = drawUniform(asked.key, t);
      expect(weights[id], `token ${t} is kept`).toBeGreaterThan(0);
      expect(u, `token ${t}`).toBeGreaterThan(before - 1e-4);
      expect(u, `token ${t}`).toBeLessThan(before + weights[id] / total + 1e-4);
    }
  });

  it('gives a text the same tokens in any company, beside plain rows and other mixtures', async () => {
    const { engine, golden } = context();
    const prompts = golden.sequences.map(({ ids }) => Array.from(ids).slice(0, 6));
    const requests = [
      request(0, { ids: prompts[0] }),
      request(1, { ids: prompts[1], mixture: undefined, adapter: 'adapter' }),
      request(2, { ids: prompts[2], mixture: MIXTURE.slice(1), sampling: { ...PLAIN, maxTokens: 5 } }),
      request(3, { ids: prompts[0], sampling: { ...PLAIN, temperature: 1.4, topP: 0.9 } }),
      request(4, { ids: prompts[3], mixture: undefined }),
      request(5, { ids: prompts[0].slice(0, 1), mixture: [...MIXTURE].reverse() }),
    ];
    const rows = new Map<number, number[]>();
    const onTokens = (row: number, ids: number[]): void => void rows.set(row, [...(rows.get(row) ?? []), ...ids]);
    const together = await engine.generate(requests, { onTokens });
    expect(together.map(({ ids }) => ids)).toEqual(requests.map((_, row) => rows.get(row)));
    for (const [row, alone] of requests.entries()) expect((await engine.generate([alone]))[0]).toEqual(together[row]);
    expect(await engine.generate([...requests].reverse())).toEqual([...together].reverse());
  });

  it('of one part is the adapter itself, and only the ratio of weights counts', async () => {
    const { engine, golden } = context();
    const ids = Array.from(golden.sequences[2].ids).slice(0, 4);
    const [part, plain] = await engine.generate([
      request(7, { ids, mixture: [{ adapter: 'adapter2', weight: 3 }] }),
      request(7, { ids, mixture: undefined, adapter: 'adapter2' }),
    ]);
    expect(part).toEqual(plain);
    const eighth = MIXTURE.map(({ adapter, weight }) => ({ adapter, weight: weight / 8 }));
    const [one, other] = await engine.generate([request(8, { ids }), request(8, { ids, mixture: eighth })]);
    expect(one).toEqual(other);
  });

  it('ends at a stop id and refuses what is no mixture', async () => {
    const { engine, golden } = context();
    const ids = Array.from(golden.sequences[0].ids).slice(0, 4);
    const [free] = await engine.generate([request(9, { ids })]);
    const [stopped] = await engine.generate([request(9, { ids, sampling: { ...PLAIN, stopIds: [free.ids[3]] } })]);
    const at = free.ids.indexOf(free.ids[3]);
    expect(stopped).toMatchObject({ finish: 'stop', ids: free.ids.slice(0, at + 1) });
    for (const [change, message] of [
      [{ adapter: 'adapter' }, /names a mixture and adapter adapter/],
      [{ mixture: [] }, /no part/],
      [{ mixture: [{ adapter: 'nobody', weight: 1 }] }, /part 1.*no adapter nobody/],
      [{ mixture: [{ adapter: null, weight: 0 }] }, /part 1: the weight is 0/],
      [{ mixture: [{ adapter: null, weight: NaN }] }, /the weight is NaN/],
      [{ mixture: Array.from({ length: 17 }, () => ({ adapter: null, weight: 1 })) }, /17 parts/],
    ] as [Partial<GenerateRequest>, RegExp][])
      await expect(engine.generate([request(0, { ids, ...change })])).rejects.toThrow(message);
  });
}
