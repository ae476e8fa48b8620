/** The sampling kernels alone: their draws, distribution and ties, at small and large vocabularies; and the scoring kernel. */

import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sampledInSlices, SAMPLING_SLICES } from '../../src/engine/buffers';
import type { Gpu } from '../../src/engine/gpu/device';
import { Program } from '../../src/engine/gpu/program';
import { encodeScore } from '../../src/engine/gpu/vocabulary';
import { sampleToken, type SampledToken } from '../../src/engine/reference/sampler';
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

/** Lanes of `sample_tokens`, or the kernel made for GPUs; number by number where vectors would do. */
type Variant = 8 | 64 | 256 | 'wide' | 'wide by number';
let variant: Variant = 8;

/** Samples `lines` rows with the same logits and settings; row n is problem n, completion token `token`. */
async function sample(logits: Float32Array, settings: Settings, lines: number, token = 0): Promise<Draw[]> {
  const V = logits.length;
  const rows = gpu.upload(
    'rows',
    Uint32Array.from({ length: lines }, (_, n) => n),
  );
  const words = new Uint32Array(lines * 10);
  const floats = new Float32Array(words.buffer);
  const state = new Uint32Array(lines * 4);
  const repeated = new Float32Array(lines * V);
  for (let n = 0; n < lines; n++) {
    const [, c1, c2, c3, k0, k1] = drawWords(name(n), 0);
    floats.set([settings.temperature, settings.topP], 10 * n);
    words.set([settings.topK, k0, k1, c1, c2, c3, 1], 10 * n + 2);
    state.set([9, 0, token, 0], 4 * n);
    repeated.set(logits, n * V);
  }
  const results = gpu.buffer('results', lines * 16);
  const states = gpu.upload('state', state);
  const program = new Program(gpu, 'test');
  const bindings = [
    gpu.upload('logits', repeated),
    rows,
    gpu.upload('settings', words),
    states,
    gpu.buffer('weights', lines * V * 4),
    results,
  ];
  if (typeof variant === 'number') program.add('sample_tokens', { V, LANES: variant }, bindings, [lines], [lines]);
  else {
    const LINE = variant === 'wide' && V % 4 === 0 ? 'vector' : 'scalar';
    const SLICED = sampledInSlices(V);
    const parts = gpu.buffer('parts', lines * SAMPLING_SLICES * 32);
    if (SLICED)
      for (const part of ['sample_scan', 'sample_weigh'] as const)
        program.add(part, { LINE }, [...bindings, parts], [V, 128, SAMPLING_SLICES], [SAMPLING_SLICES, lines]);
    program.add('sample_tokens_wide', { LINE, SLICED }, [...bindings, parts], [V, 128, SAMPLING_SLICES], [lines]);
  }
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

describe.each(['wide', 8] as const)('sampling, variant %s', (chosen) => {
  beforeEach(() => void (variant = chosen));

  it.each([
    ['all tokens', { temperature: 1, topK: 0, topP: 1 }],
    ['a low temperature', { temperature: 0.5, topK: 0, topP: 1 }],
    ['a high temperature and top-k', { temperature: 1.7, topK: 6, topP: 1 }],
    ['top-p', { temperature: 1, topK: 0, topP: 0.7 }],
    ['top-k, then top-p', { temperature: 1, topK: 9, topP: 0.8 }],
  ])('draws from the distribution of %s', async (_, settings) => {
    const logits = randomLogits(24, 4);
    const draws = variant === 'wide' ? 5000 : 20_000;
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
});

const LARGE = 151_936;

/** Three peaks of equal height, some forty lower ones, and more equals at the fortieth place. */
function tiedLogits(): Float32Array {
  const logits = randomLogits(LARGE, 4).map((z, i) => (i % 3701 === 11 ? z + 6 : z));
  for (const i of [151_900, 75, 140_000]) logits[i] = 9;
  const fortieth = logits.slice().sort()[LARGE - 40]!;
  for (const i of [3, 99_999, 151_935]) logits[i] = fortieth;
  return logits;
}

let reference: { settings: Settings; wanted: SampledToken[] }[] | null = null;
/** What the reference engine draws from `tiedLogits` for token 2 of rows 0 to 11. */
function referenceDraws() {
  const logits = tiedLogits();
  reference ??= [
    { temperature: 0, topK: 0, topP: 1 },
    { temperature: 0.7, topK: 1, topP: 1 },
    { temperature: 2, topK: 40, topP: 1 },
    { temperature: 0.6, topK: 0, topP: 0.35 },
    { temperature: 1.5, topK: 60, topP: 0.8 },
  ].map((settings) => {
    const sampling = { ...settings, maxTokens: 1, stopIds: [] };
    const draw = (_: unknown, n: number): SampledToken => sampleToken(logits, 0, LARGE, sampling, name(n), 2);
    return { settings, wanted: Array.from({ length: 12 }, draw) };
  });
  return reference;
}

describe.each([8, 64, 256, 'wide'] as const)('a vocabulary of 151,936, variant %s', (chosen) => {
  beforeEach(() => void (variant = chosen));

  it('is searched and drawn from', async () => {
    const V = LARGE;
    const logits = randomLogits(V, 20);
    logits[140_000] = 18;
    logits[77] = 17.5;
    const [best] = await sample(logits, { temperature: 0, topK: 0, topP: 1 }, 1);
    expect(best!.id).toBe(140_000);
    expect(best!.margin).toBeCloseTo(0.5, 5);
    const p = distribution(logits, { temperature: 1, topK: 0, topP: 1 });
    expect(best!.logprob).toBeCloseTo(Math.log(p[140_000]!), 4);
    const two = await sample(logits, { temperature: 1, topK: 2, topP: 1 }, 24);
    expect([...new Set(two.map(({ id }) => id))].sort()).toEqual([140_000, 77].sort());
    const settings = { temperature: 1, topK: 0, topP: 0.3 };
    const kept = distribution(logits, settings);
    for (const { id } of await sample(logits, settings, 4)) expect(kept[id]).toBeGreaterThan(0);
  });
  it('keeps what the reference keeps, ties included, and draws the same tokens', async () => {
    const logits = tiedLogits();
    for (const { settings, wanted } of referenceDraws()) {
      const draws = await sample(logits, settings, wanted.length, 2);
      draws.forEach((found, n) => {
        expect(found.id, `${JSON.stringify(settings)}, row ${n}`).toBe(wanted[n]!.id);
        expect(found.margin).toBe(wanted[n]!.margin);
        expect(found.logprob).toBeCloseTo(wanted[n]!.logprob, 3);
      });
    }
  });

  it('is drawn from in index order', async () => {
    const logits = randomLogits(LARGE, 6);
    const settings = { temperature: 0.9, topK: 0, topP: 1 };
    const p = distribution(logits, settings);
    const cumulative = new Float64Array(LARGE + 1);
    p.forEach((probability, i) => (cumulative[i + 1] = cumulative[i]! + probability));
    const draws = await sample(logits, settings, 24, 5);
    draws.forEach(({ id }, n) => {
      const u = drawUniform(name(n), 5);
      expect(u).toBeGreaterThan(cumulative[id]! - 1e-5);
      expect(u).toBeLessThan(cumulative[id + 1]! + 1e-5);
    });
    expect(new Set(draws.map(({ id }) => id)).size).toBeGreaterThan(20);
  });
});

describe('the kernel for GPUs', () => {
  const SETTINGS = [
    { temperature: 0, topK: 0, topP: 1 },
    { temperature: 0.8, topK: 0, topP: 1 },
    { temperature: 1.2, topK: 50, topP: 1 },
    { temperature: 1, topK: 0, topP: 0.9 },
    { temperature: 3, topK: 1000, topP: 0.999 },
    { temperature: 1e-3, topK: 0, topP: 0.5 },
  ];

  it.each([4, 8, 1000, 32_768])('has the same bits by vectors and by number, V = %s', async (V) => {
    const logits = randomLogits(V, 12);
    for (const settings of SETTINGS) {
      const found = [];
      for (const one of ['wide', 'wide by number'] as const) {
        variant = one;
        found.push(await sample(logits, settings, 9, 3));
      }
      expect(found[0], JSON.stringify(settings)).toEqual(found[1]);
    }
  });

  it.each([1, 2, 3, 5, 31, 257, 1023, 4097, 32_771, 151_937])('draws what the reference draws, V = %s', async (V) => {
    variant = 'wide';
    // Of many weights of one size f32 sums tell no neighbours apart.
    for (const spread of V > 5000 ? [2000] : [2, 30]) {
      const logits = randomLogits(V, spread);
      for (const settings of SETTINGS) {
        const sampling = { ...settings, maxTokens: 1, stopIds: [] };
        const draws = await sample(logits, settings, 6, 4);
        const wanted = draws.map((_, n) => sampleToken(logits, 0, V, sampling, name(n), 4).id);
        expect(
          draws.map(({ id }) => id),
          `${JSON.stringify(settings)}, spread ${spread}`,
        ).toEqual(wanted);
      }
    }
  });
});

describe('score_tokens', () => {
  it.each([
    { tiles: 'cpu', V: 37 },
    { tiles: 'gpu', V: 37 },
    { tiles: 'cpu', V: LARGE },
    { tiles: 'gpu', V: LARGE },
  ] as const)('gives the log-probabilities of targets with $tiles kernels, V = $V', async ({ tiles, V }) => {
    const lines = 3;
    const logits = Float32Array.from({ length: lines * V }, (_, i) => 9 * Math.sin(i * 0.7 + (i % 13)));
    const targets = [0, V - 1, V >> 1];
    const device = await openTestGpu({ tiles });
    const logprobs = device.buffer('logprobs', lines * 4);
    const program = new Program(device, 'test');
    const buffers = {
      logits: device.upload('logits', logits),
      targets: device.upload('targets', Uint32Array.from(targets)),
      logprobs,
    };
    encodeScore(device, program, { vocabulary: V, lines }, buffers);
    program.submit();
    const found = new Float32Array(await device.read(logprobs));
    targets.forEach((target, n) => {
      const line = logits.subarray(n * V, (n + 1) * V);
      const total = line.reduce((sum, z) => sum + Math.exp(z), 0);
      expect(found[n]! / (line[target]! - Math.log(total))).toBeCloseTo(1, 5);
    });
  });
});
