/** Likelihoods and divergences between agents, worked out by hand. */
import { describe, expect, it } from 'vitest';
import { smallConfig, FakeRuntime, logOf, of } from '../recipes/fakeRuntime';
import { agentDistance } from '../../src/society/likelihood';
import type { ScoreQuestion } from '../../src/runtimes/types';

const said = (scores: readonly number[]) => {
  const tokens = [2, 4, 2, 2];
  return scores.map((score, at) => ({ problem: at % 2, seat: at < 2 ? 0 : 1, tokens: tokens[at] as number, score }));
};

describe('agentDistance', () => {
  it('is −log p a token of the others’ and of own responses, and the mean log ratio a response', () => {
    // Agent 0 gives its own −1 and −2 and the other's −3 and −5; agent 1 gives 0's −2 and −6 and its own −1 and −1.
    const distance = agentDistance(
      new Map([
        [0, said([-1, -2, -3, -5])],
        [1, said([-2, -6, -1, -1])],
      ]),
    );
    // Others: (3 + 5 + 2 + 6) / (2 + 2 + 2 + 4). Own: (1 + 2 + 1 + 1) / 10.
    expect(distance.others).toBeCloseTo(1.6, 12);
    expect(distance.own).toBeCloseTo(0.5, 12);
    // KL(0‖1) = ((−1 + 2) + (−2 + 6)) / 2 = 2.5; KL(1‖0) = ((−1 + 3) + (−1 + 5)) / 2 = 3.
    expect(distance.kl).toBeCloseTo(2.75, 12);
  });

  it('is 0 between agents that are alike, and nothing is said of one agent or of none', () => {
    const alike = said([-1, -2, -3, -5]);
    expect(agentDistance(new Map([0, 1].map((seat) => [seat, alike]))).kl).toBe(0);
    expect(agentDistance(new Map([[0, alike.slice(0, 2)]]))).toEqual({ others: null, own: 0.5, kl: null });
    expect(agentDistance(new Map())).toEqual({ others: null, own: null, kl: null });
  });
});

/** Generator n gives every token log p = −(n + 1), the untouched model −1. */
class Scoring extends FakeRuntime {
  readonly scored: ScoreQuestion[] = [];
  async score(questions: ScoreQuestion[]): Promise<number[]> {
    this.scored.push(...questions);
    return questions.map(({ adapter, ids = [] }) => -ids.length * (Number(adapter?.split('-')[1] ?? 0) + 1));
  }
}

describe('measure.agents', () => {
  it('scores first answers of all seats by every generator, after every test of the society', async () => {
    const runtime = new Scoring();
    const events = await logOf(runtime, smallConfig({ 'measure.agents': 'true', iterations: 2 }));
    const judged = of(events, 'judged');
    expect(judged.map(({ iteration, by }) => [iteration, by])).toEqual(
      [1, 2].flatMap((iteration) => [0, 1, 2].map((n) => [iteration, `likelihood under generator-${n} at ${n}`])),
    );
    // Ten held-out problems of three seats.
    for (const { turns, scores } of judged) expect([turns.length, scores.length]).toEqual([30, 30]);
    expect(new Set(runtime.scored.map(({ adapter }) => adapter))).toEqual(
      new Set(['generator-0', 'generator-1', 'generator-2']),
    );
    const [first] = of(events, 'measured');
    const tokens = [0, 1, 2].map((seat) =>
      of(events, 'episode')
        .filter(
          ({ purpose, learner, iteration }) => purpose === 'evaluation' && learner === 'society' && iteration === 1,
        )
        .reduce((sum, { turns }) => sum + turns[seat]!.tokens, 0),
    ) as [number, number, number];
    const [a, b, c] = tokens;
    const all = a + b + c;
    const value = (at: number) => first?.values[at]?.value;
    // Agent n gives −(n + 1) to every token: others' tokens are read once by each of the two other agents.
    expect(value(0)).toBeCloseTo((1 * (b + c) + 2 * (a + c) + 3 * (a + b)) / (2 * all), 5);
    expect(value(1)).toBeCloseTo((1 * a + 2 * b + 3 * c) / all, 5);
    // KL(m‖n) = (n − m) tokens of m over ten answers.
    expect(value(2)).toBeCloseTo((a * (1 + 2) + b * (-1 + 1) + c * (-2 - 1)) / 10 / 6, 5);
  });

  it('changes nothing else of a log, and is not there unless it is asked for', async () => {
    const without = await logOf(new Scoring(), smallConfig({}));
    const events = await logOf(new Scoring(), smallConfig({ 'measure.agents': 'true' }));
    const rest = events.filter(({ type }) => type !== 'judged' && type !== 'measured');
    expect(rest.slice(1)).toEqual(without.slice(1));
  });
});
