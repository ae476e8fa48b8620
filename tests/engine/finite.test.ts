/** When a training is stopped, told from its numbers alone, and what the reference engine shows that GPUs round away. */
import { describe, expect, it } from 'vitest';
import { DeadTrackError, NonFiniteError } from '../../src/engine/errors';
import { checkScores, firstNonFinite, peakOf, TrainingWatch } from '../../src/engine/finite';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { folderSource } from '../../src/engine/loader-node';
import { logProbability, crossEntropyInPlace } from '../../src/engine/reference/crossEntropy';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { rmsnormForward } from '../../src/engine/reference/rmsnorm';
import { openModelStream } from '../../src/engine/stream';
import { DEFAULT_OPTIMISER, type Engine, type EngineOptions, type TrainExample } from '../../src/engine/types';

const MODEL = 'tests/fixtures/golden/llama';
const EXAMPLE: TrainExample = { ids: [1, 2, 3], weights: [0, 1, 1] };
const examples = Array.from({ length: 4 }, () => EXAMPLE);

function watch(...batches: number[][]): TrainingWatch {
  return new TrainingWatch({ tracks: [{ adapter: 'a', examples, batches }], optimiser: DEFAULT_OPTIMISER });
}
const step = (loss: number, gradNorm: number, peak = 0) => [{ adapter: 'a', loss, gradNorm, peak }];

describe('a dead track', () => {
  it('is one without a gradient in all batches of a pass', () => {
    const two = watch([0, 1], [2, 3], [0, 1], [2, 3]);
    two.check(0, step(3, 1));
    two.check(1, step(3, 0));
    expect(() => two.check(2, step(3, 0))).toThrow(DeadTrackError);
  });

  it('is not one whose gradient returns, whose loss is 0, or that does not see all its examples', () => {
    const two = watch([0, 1], [2, 3], [0, 1], [2, 3]);
    for (let s = 0; s < 4; s++) two.check(s, step(3, s % 2));
    const done = watch([0, 1], [2, 3]);
    for (let s = 0; s < 2; s++) done.check(s, step(0, 0));
    const same = watch([0, 1], [0, 1], [0, 1], [2, 3]);
    for (let s = 0; s < 3; s++) same.check(s, step(3, 0));
  });

  it('is one that has nothing left to learn of some examples and cannot learn the others', () => {
    const two = watch([0, 1], [2, 3]);
    two.check(0, step(0, 0));
    expect(() => two.check(1, step(3, 0))).toThrow(/adapter a, step 2 of 2/);
  });

  it('may be seen after the last step only', () => {
    const one = watch([0, 1, 2, 3]);
    const events = step(3, 1, 1e6);
    one.check(0, events);
    expect(one.doubtful(0, events)).toEqual(['a']);
    expect(() => one.checkLast(0, [{ adapter: 'a', loss: 3, gradNorm: 0 }])).toThrow(DeadTrackError);
  });
});

describe('numbers that are not finite', () => {
  it.each([
    [NaN, 1, 0, 'the loss is NaN'],
    [Infinity, 1, 0, 'the loss is Infinity'],
    [1, Infinity, 0, 'the norm of the gradient is Infinity'],
    [1, 1, Infinity, 'weights or moments'],
    [1, 1, NaN, 'weights or moments'],
  ])('loss %s, norm %s, largest weight %s stop a training', (loss, gradNorm, peak, words) => {
    const act = (): void => watch([0], [1]).check(1, step(loss, gradNorm, peak));
    expect(act).toThrow(NonFiniteError);
    expect(act).toThrow(`adapter a, step 2 of 2: ${words}`);
    expect(act).toThrow(/lr is 0.001/);
  });

  it('are found in a score, with the position', () => {
    expect(() => checkScores(null, 3, Float32Array.of(-1, -Infinity))).toThrow(/the base model, row 3: .*position 1/);
    expect(firstNonFinite([0, 3.5e38, -1])).toBe(-1);
    expect(firstNonFinite(Float32Array.of(0, 3.5e38))).toBe(1);
  });

  it('are found in moments whose weights are finite', () => {
    const tensors = (...values: number[]) => new Map([['t', { shape: [2], data: Float32Array.from(values) }]]);
    expect(peakOf(tensors(1, -2), [tensors(0, 0)])).toBe(0);
    expect(peakOf(tensors(1, -2000), [tensors(0, 0)])).toBe(2000);
    expect(peakOf(tensors(1, NaN), [])).toBe(Infinity);
    expect(peakOf(tensors(NaN, 1), [])).toBe(Infinity);
    expect(peakOf(tensors(1, 2), [tensors(0, 0), tensors(0, Infinity)])).toBe(Infinity);
  });

  it('are made of a row whose squares overflow, which would be zeros, and of no other row', () => {
    const out = new Float32Array(4);
    rmsnormForward(out, new Float32Array(2), Float32Array.of(3e19, 1, 3, 4), Float32Array.of(1, 1), 2, 2, 1e-6);
    expect([...out].map(Number.isFinite)).toEqual([false, false, true, true]);
  });

  it('are not hidden by a logit of −∞ that nobody chose', () => {
    const logits = Float32Array.of(1, -Infinity, 2);
    expect(logProbability(logits, 0, 3, 2)).toBeNaN();
    expect(crossEntropyInPlace(logits, 0, 3, 2, 1)).toBeNaN();
  });
});

describe('keys and values that are infinite', () => {
  const make: [string, (options: EngineOptions) => Promise<Engine>][] = [
    ['reference', async (options) => ReferenceEngine.create(await openModelStream(folderSource(MODEL)), options)],
    [
      'WebGPU',
      async (options) => WebGpuEngine.create(await openNodeGpu(), await openModelStream(folderSource(MODEL)), options),
    ],
  ];
  it.each(make)('do not become the largest f16 of the cache (%s)', async (_, open) => {
    const engine = await open({ cache: 'f16', maxRows: 2, maxAdapters: 1, maxRank: 2, maxLength: 16 });
    await engine.createAdapter('a', { rank: 2, alpha: 4, targets: ['v_proj'] }, 1);
    const weights = await engine.exportAdapter('a');
    for (const { data } of weights.tensors.values()) data.fill(1e30);
    await engine.importAdapter('a', weights);
    await expect(engine.score([{ ids: [1, 2, 3], adapter: 'a' }])).rejects.toThrow(NonFiniteError);
    await engine.dispose();
  });
});

it('takes one batch without a gradient for what it is, when others of the pass have one', async () => {
  const engine = await ReferenceEngine.create(await openModelStream(folderSource(MODEL)));
  await engine.createAdapter('a', { rank: 2, alpha: 4, targets: ['q_proj', 'k_proj'] }, 1);
  // With one token before the target attention looks at that alone: queries and keys make no difference.
  const data = [
    { ids: [1, 5], weights: [0, 1] },
    ...[6, 7].map((id) => ({ ids: [1, id, 7, 9], weights: [0, 0, 1, 1] })),
  ];
  const norms = async (...batches: number[][]): Promise<number[]> => {
    const found: number[] = [];
    const tracks = [{ adapter: 'a', examples: data, batches }];
    for await (const event of engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER })) {
      found.push(event.tracks[0]?.gradNorm ?? NaN);
    }
    return found;
  };
  expect((await norms([0], [1, 2], [0], [2, 1])).map((norm) => norm === 0)).toEqual([true, false, true, false]);
  await expect(norms([0], [0])).rejects.toThrow(DeadTrackError);
});
