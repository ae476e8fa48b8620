/** The sampling kernel alone: its draws, its distribution, its ties, at small and large vocabularies. */

import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device';
import { Program } from '../../src/engine/gpu/program';
import { drawUniform, drawWords } from '../../src/random';
import { openTestGpu } from './gpu';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu();
});

interface Settings {
  temperature: number;
  topK: number;
  topP: number;
}

interface Draw {
  id: number;
  logprob: number;
  margin: number;
  index: number;
}

/** Samples `lines` rows with the same logits and settings; row n is problem n, completion token `token`. */
async function sample(logits: Float32Array, settings: Settings, lines: number, token = 0, lanes = 8): Promise<Draw[]> {
  const V = logits.length;
  const rows = gpu.upload(
    'rows',
    Uint32Array.from({ length: lines }, (_, n) => n),
  );
  const words = new Uint32Array(lines * 8);
  const floats = new Float32Array(words.buffer);
  const state = new Uint32Array(lines * 4);
  const repeated = new Float32Array(lines * V);
  for (let n = 0; n < lines; n++) {
    const [, c1, c2, c3, k0, k1] = drawWords(name(n), 0);
    floats.set([settings.temperature, settings.topP], 8 * n);
    words.set([settings.topK, k0, k1, c1, c2, c3], 8 * n + 2);
    state.set([9, 0, token, 0], 4 * n);
    repeated.set(logits, n * V);
  }
  const results = gpu.buffer('results', lines * 16);
  const states = gpu.upload('state', state);
  const program = new Program(gpu, 'test');
  program.add(
    'sample_tokens',
    { V, LANES: lanes },
    [
      gpu.upload('logits', repeated),
      rows,
      gpu.upload('settings', words),
      states,
      gpu.buffer('weights', lines * V * 4),
      results,
    ],
    [lines],
    [lines],
  );
  program.submit();
  const ints = new Uint32Array(await gpu.read(results));
  const values = new Float32Array(ints.buffer);
  const after = new Uint32Array(await gpu.read(states));
  return Array.from({ length: lines }, (_, n) => {
    expect([...after.slice(4 * n, 4 * n + 3)]).toEqual([10, ints[4 * n], token + 1]);
    return { id: ints[4 * n]!, logprob: values[4 * n + 1]!, margin: values[4 * n + 2]!, index: ints[4 * n + 3]! };
  });
}

function name(problem: number) {
  return { seed: 2 ** 40 + 12345, stream: 3, iteration: 2, agent: 4, problem, round: 1 };
}

/** Probabilities of the kept tokens in 64 bits. */
function distribution(logits: Float32Array, { temperature, topK, topP }: Settings): number[] {
  const descending = [...logits].sort((a, b) => b - a);
  const least = topK > 0 && topK < logits.length ? descending[topK - 1]! : -Infinity;
  const weights = [...logits].map((z) => (z >= least ? Math.exp((z - descending[0]!) / temperature) : 0));
  const mass = weights.reduce((a, b) => a + b, 0);
  const sorted = weights.slice().sort((a, b) => b - a);
  let sum = 0;
  const last = sorted.find((weight) => (sum += weight) >= topP * mass - 1e-9) ?? 0;
  const kept = weights.map((weight) => (topP < 1 && weight < last ? 0 : weight));
  const total = kept.reduce((a, b) => a + b, 0);
  return kept.map((weight) => weight / total);
}

function randomLogits(V: number, spread: number): Float32Array {
  return Float32Array.from({ length: V }, (_, i) => spread * (drawUniform({ seed: 1, stream: V }, i) - 0.5));
}

describe('sample_tokens', () => {
  it.each([
    ['all tokens', { temperature: 1, topK: 0, topP: 1 }],
    ['a low temperature', { temperature: 0.5, topK: 0, topP: 1 }],
    ['a high temperature and top-k', { temperature: 1.7, topK: 6, topP: 1 }],
    ['top-p', { temperature: 1, topK: 0, topP: 0.7 }],
    ['top-k, then top-p', { temperature: 1, topK: 9, topP: 0.8 }],
  ])('draws from the distribution of %s', async (_, settings) => {
    const logits = randomLogits(24, 4);
    const draws = 20_000;
    const p = distribution(logits, settings);
    const counts = new Array<number>(24).fill(0);
    for (const { id } of await sample(logits, settings, draws)) counts[id]!++;
    let chiSquare = 0;
    let kept = 0;
    p.forEach((probability, i) => {
      if (probability === 0) return expect(counts[i], `token ${i} is not kept`).toBe(0);
      kept++;
      chiSquare += (counts[i]! - draws * probability) ** 2 / (draws * probability);
    });
    // Mean kept − 1, variance 2 (kept − 1); five standard deviations.
    expect(chiSquare).toBeLessThan(kept - 1 + 5 * Math.sqrt(2 * (kept - 1)));
  });

  it('takes the draw that src/random.ts names, in index order', async () => {
    const logits = randomLogits(24, 3);
    const p = distribution(logits, { temperature: 1, topK: 0, topP: 1 });
    for (const token of [0, 1, 77]) {
      const draws = await sample(logits, { temperature: 1, topK: 0, topP: 1 }, 500, token);
      draws.forEach(({ id, index }, n) => {
        expect(index).toBe(token);
        const u = drawUniform(name(n), token);
        const below = p.slice(0, id).reduce((a, b) => a + b, 0);
        expect(u).toBeGreaterThan(below - 1e-6);
        expect(u).toBeLessThan(below + p[id]! + 1e-6);
      });
    }
  });

  it('reports log-probability at temperature 1 and the top-2 margin, whatever the settings', async () => {
    const logits = randomLogits(24, 5);
    const [first, second] = [...logits].sort((a, b) => b - a) as [number, number];
    const total = logits.reduce((sum, z) => sum + Math.exp(z), 0);
    for (const { id, logprob, margin } of await sample(logits, { temperature: 0.7, topK: 5, topP: 0.9 }, 40)) {
      expect(logprob).toBeCloseTo(logits[id]! - Math.log(total), 5);
      expect(margin).toBeCloseTo(first - second, 6);
    }
  });

  it('breaks greedy ties towards the lowest index, and keeps all that tie with the k-th', async () => {
    const logits = Float32Array.of(0, 2, -1, 2, 1, 1, -0, -3, 1);
    const greedy = await sample(logits, { temperature: 0, topK: 0, topP: 1 }, 3);
    expect(greedy.map(({ id }) => id)).toEqual([1, 1, 1]);
    expect(greedy[0]!.margin).toBe(0);
    const drawn = await sample(logits, { temperature: 3, topK: 3, topP: 1 }, 400);
    expect([...new Set(drawn.map(({ id }) => id))].sort()).toEqual([1, 3, 4, 5, 8]);
    // Zero and minus zero tie.
    const zeros = await sample(logits, { temperature: 30, topK: 6, topP: 1 }, 600);
    expect([...new Set(zeros.map(({ id }) => id))].sort()).toEqual([0, 1, 3, 4, 5, 6, 8]);
  });

  it.each([8, 64, 256])('works at a vocabulary of 151,936 with %i lanes', async (lanes) => {
    const V = 151_936;
    const logits = randomLogits(V, 20);
    logits[140_000] = 18;
    logits[77] = 17.5;
    const [best] = await sample(logits, { temperature: 0, topK: 0, topP: 1 }, 1, 0, lanes);
    expect(best!.id).toBe(140_000);
    expect(best!.margin).toBeCloseTo(0.5, 5);
    const p = distribution(logits, { temperature: 1, topK: 0, topP: 1 });
    expect(best!.logprob).toBeCloseTo(Math.log(p[140_000]!), 4);
    const two = await sample(logits, { temperature: 1, topK: 2, topP: 1 }, 24, 0, lanes);
    expect([...new Set(two.map(({ id }) => id))].sort()).toEqual([140_000, 77].sort());
    const settings = { temperature: 1, topK: 0, topP: 0.3 };
    const kept = distribution(logits, settings);
    for (const { id } of await sample(logits, settings, 4, 0, lanes)) expect(kept[id]).toBeGreaterThan(0);
  });
});
