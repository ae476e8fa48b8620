/** Verdicts on another run, worked out by hand on small logs. */
import { describe, expect, it } from 'vitest';
import type { Episode, EvaluationDone, RunEvent, RunStarted } from '../../src/events';
import { MARGIN_SCALE, packNumbers } from '../../src/pack';
import { resolveConfig } from '../../src/recipes/resolve';
import type { Receipt } from '../../src/log/receipt';
import { differentExperiment, verdictOn, verdictOnReceipts } from '../../src/share/verdict';

const started: RunStarted = {
  type: 'run-started',
  format: 2,
  recipe: { id: 'multiagent-finetuning', revision: 1 },
  preset: { id: 'arithmetic-tiny', revision: 2 },
  task: { id: 'arithmetic', revision: 1 },
  config: resolveConfig('arithmetic-tiny'),
  model: { name: 'arithmetic-0.4m', hash: 'a'.repeat(64) },
  engine: 'exact: arithmetic 1',
  arithmetic: 1,
  build: '0.2.0',
  agents: [],
  learners: [{ key: 'base', label: 'Base', name: 'the base', agents: [] }],
  methods: [],
  compare: [],
};

const episode = (ids: number[], logprobs: number[] = []): Episode => ({
  type: 'episode',
  purpose: 'evaluation',
  learner: 'base',
  iteration: 0,
  problem: 17,
  turns: [
    {
      call: 'answer-0',
      kind: 'answer',
      agent: 'base',
      seat: 0,
      layer: 0,
      parents: [],
      text: ids.join(' '),
      answer: String(ids.at(-1)),
      finish: 'stop',
      tokens: ids.length,
      ids: packNumbers(ids),
      margins: packNumbers([1.5, 0.04, 3], MARGIN_SCALE),
      ...(logprobs.length > 0 && { logprobs: packNumbers(logprobs) }),
    },
  ],
  verdicts: [{ by: 'vote', of: [0], answer: String(ids.at(-1)), count: 1 }],
});

/** @param wrong problems of 400 that are answered wrong, from `from` on */
const evaluation = (wrong: number, from = 0): EvaluationDone => {
  const correct = Array.from({ length: 400 }, (_, at) => (at >= from && at < from + wrong ? '0' : '1')).join('');
  return {
    type: 'evaluation',
    iteration: 0,
    learner: 'base',
    scores: [{ method: 'single', calls: 1, turns: [0], right: 400 - wrong, unreadable: 0, n: 400, correct }],
    layers: [],
  };
};

const log = (...events: RunEvent[]): RunEvent[] => [started, ...events];

describe('the ladder', () => {
  const first = log(episode([5, 6, 7]), evaluation(40));

  it('same bytes', () => {
    expect(verdictOn(first, structuredClone(first))).toMatchObject({ verdict: 'same-bytes', sameUntil: null });
  });

  it('same tokens where numbers differ in their last bits', () => {
    expect(verdictOn(first, log(episode([5, 6, 7], [-12]), evaluation(40)))).toMatchObject({
      verdict: 'same-tokens',
      sameUntil: null,
    });
  });

  it('names the first other token and the margin there', () => {
    const { sameUntil } = verdictOn(first, log(episode([5, 8, 7]), evaluation(40)));
    expect(sameUntil).toEqual({
      event: 1,
      iteration: 0,
      what: 'an answer',
      problem: 17,
      agent: 'base',
      token: 1,
      margin: 0.04,
    });
  });

  it('names a verdict that differs on the same answers', () => {
    const other = episode([5, 6, 7]);
    other.verdicts = [{ by: 'vote', of: [0], answer: '99', count: 1 }];
    expect(verdictOn(first, log(other, evaluation(40))).sameUntil).toMatchObject({ what: 'a verdict', problem: 17 });
  });

  it('names the end of the shorter run', () => {
    expect(verdictOn(log(episode([1])), log(episode([1]), episode([2]))).sameUntil).toMatchObject({
      what: 'the first run ends',
      event: 2,
    });
  });

  it('is consistent where the interval of the paired difference lies within the margin', () => {
    // 10 of 400 discordant, all one way: 2.5 points, standard error √(10 − 100/400)/400 = 0.78 points.
    const { verdict, methods } = verdictOn(first, log(episode([5, 8, 7]), evaluation(50)), 0.05);
    expect(verdict).toBe('consistent');
    expect(methods[0]?.difference).toBeCloseTo(0.025, 10);
    expect(methods[0]?.interval[1]).toBeLessThan(0.05);
  });

  it('is not reproduced where the interval reaches beyond the margin, whatever the p-value', () => {
    // 40 and 40 other problems wrong: no difference, and an interval of ±4.4 points.
    const other = log(episode([5, 8, 7]), evaluation(40, 200));
    expect(verdictOn(first, other, 0.03)).toMatchObject({ verdict: 'not-reproduced' });
    expect(verdictOn(first, other, 0.05)).toMatchObject({ verdict: 'consistent' });
  });

  it('is not reproduced where no method was measured in both', () => {
    expect(verdictOn(log(episode([1])), log(episode([2])))).toMatchObject({ verdict: 'not-reproduced', methods: [] });
  });
});

it('other settings and other weights are another experiment', () => {
  expect(differentExperiment(started, { ...started, engine: 'webgpu: other' })).toBeNull();
  expect(differentExperiment(started, { ...started, config: { ...started.config, seed: 1 } })).toMatch(
    /settings differ/,
  );
  expect(differentExperiment(started, { ...started, model: { name: 'x', hash: 'b'.repeat(64) } })).toMatch(
    /bbbb.*aaaa/,
  );
  expect(differentExperiment(started, { ...started, task: { id: 'arithmetic', revision: 2 } })).toMatch(/revision 2/);
});

describe('receipts', () => {
  const receipt = (right: number, digest = 'd', discreteDigest = 'e', iterations = ['1', '2']): Receipt => ({
    digest,
    discreteDigest,
    events: 10,
    iterations,
    scores: [{ method: 'single', n: 1000, right: [500, right] }],
  });

  it('of the same digest are the same run, of the same discrete digest the same decisions', () => {
    expect(verdictOnReceipts(receipt(700), receipt(700)).verdict).toBe('same-bytes');
    expect(verdictOnReceipts(receipt(700), receipt(700, 'x')).verdict).toBe('same-tokens');
  });

  it('say until which iteration runs are the same, and compare counts that are not paired', () => {
    const { verdict, sameUntil, methods } = verdictOnReceipts(receipt(700), receipt(720, 'x', 'y', ['1', '3']));
    expect(verdict).toBe('consistent');
    expect(sameUntil).toEqual({ iteration: 1, what: 'tokens, votes or data' });
    const [one] = methods;
    expect(one).toMatchObject({ method: 'single', iteration: 1, paired: false, withinMargin: true });
    // Agresti and Caffo: p = 701/1002, q = 721/1002.
    expect(one!.difference).toBeCloseTo(-0.02, 12);
    expect(one!.interval[0]).toBeCloseTo(-0.0597, 4);
    expect(one!.interval[1]).toBeCloseTo(0.0198, 4);
  });

  it('of other counts, other sizes or other methods are not consistent', () => {
    expect(verdictOnReceipts(receipt(700), receipt(800, 'x', 'y')).verdict).toBe('not-reproduced');
    const smaller = { ...receipt(70, 'x', 'y'), scores: [{ method: 'single', n: 100, right: [50, 70] }] };
    expect(verdictOnReceipts(receipt(700), smaller)).toMatchObject({ verdict: 'not-reproduced', methods: [] });
  });
});
