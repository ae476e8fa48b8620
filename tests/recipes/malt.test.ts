/** MALT's selections, worked out by hand from trees that a script grows. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { DatasetBuilt, Episode, RunEvent } from '../../src/events';
import { recipeNamed } from '../../src/recipes';
import { ConfigurationError } from '../../src/recipes/errors';
import { NOT_LEARNT, TREE } from '../../src/recipes/maltData';
import { thresholdIn, type Config } from '../../src/recipes/maltSettings';
import { resolveConfig } from '../../src/recipes/resolve';
import type { Answer, Question } from '../../src/runtimes/types';
import { DROPPED } from '../../src/society/selection';
import { CHECKER } from '../../src/society/prompts';
import { arithmetic } from '../../src/tasks/arithmetic';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

/** What is added to the true answer, by call; null = unreadable; a call that is not there is right. */
type Script = Readonly<Record<string, number | null>>;

/** Says in training what the script of the problem says, in the order in which problems are asked; in tests by `tests`. */
class Scripted extends FakeRuntime {
  readonly #known = new Map<number, Script>();

  constructor(
    private readonly scripts: readonly Script[],
    private readonly tests: Script = {},
    /** Texts of calls; others name their call, so that siblings differ. */
    private readonly texts: Readonly<Record<string, string>> = {},
  ) {
    super();
  }

  protected override answer({ at, call, messages }: Question): Answer {
    const [, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = (
      /^(\d)\+(\d)\*(\d)\+(\d)-(\d)\*(\d)/.exec(messages[0]?.content ?? '') ?? []
    ).map(Number);
    const slip =
      this.#script(at.purpose, at.problem)[call] ?? (call in this.#script(at.purpose, at.problem) ? null : 0);
    const said = slip === null ? '?' : `#${a + b * c + d - e * f + slip}`;
    const text = `${this.texts[call] ?? call}${said}`;
    return { text, finish: 'stop', tokens: text.length };
  }

  #script(purpose: string, problem: number): Script {
    if (purpose === 'evaluation') return this.tests;
    const known = this.#known.get(problem) ?? this.scripts[this.#known.size] ?? {};
    this.#known.set(problem, known);
    return known;
  }
}

const leaf = (...place: number[]) => `refinement-${place.join('-')}`;
const LEAVES = [0, 1].flatMap((j) => [0, 1].flatMap((k) => [0, 1].map((l) => [j, k, l])));
const every = (slip: number | null, but: Script = {}): Script => ({
  ...Object.fromEntries(LEAVES.map((place) => [leaf(...place), slip])),
  ...but,
});

/*
 * Turns of a tree with n = 2, in the order of the log: answers 0 1; checks 0-0: 2, 1-0: 3, 0-1: 4, 1-1: 5; refinements 0-0-0: 6,
 * 1-0-0: 7, 0-1-0: 8, 1-1-0: 9, 0-0-1: 10, 1-0-1: 11, 0-1-1: 12, 1-1-1: 13.
 */
const SCRIPTS: Script[] = [
  // Right leaves 6, 8, 12: check 2 has 1 of 2, check 4 has 2 of 2, answer 0 has 3 of 4, answer 1 none. Leaf 13 is unreadable.
  every(0, { [leaf(0, 0, 1)]: 1, [leaf(1, 0, 0)]: 1, [leaf(1, 0, 1)]: 2, [leaf(1, 1, 0)]: 3, [leaf(1, 1, 1)]: null }),
  // All leaves right.
  every(0),
  // All leaves wrong.
  every(1),
  // Nothing readable.
  every(null),
];

const few = (more: Record<string, string | number> = {}) => {
  const size = { trainProblems: SCRIPTS.length, evaluationProblems: 3, iterations: 1, branches: 2, perProblem: 'none' };
  return smallConfig({ ...size, ...more }, 'malt') as Config;
};
const grown = (more: Record<string, string | number> = {}, runtime = new Scripted(SCRIPTS)) =>
  logOf(runtime, few(more));
const trees = (events: readonly RunEvent[]) => of(events, 'episode').filter(({ purpose }) => purpose === 'train');
const set = (events: readonly RunEvent[], job: string, adapter: string) =>
  of(events, 'dataset').find((one) => one.job === job && one.adapter === adapter) as DatasetBuilt;
/** Examples as "problem turn" or "problem chosen>rejected", problems by their place in the script. */
const members = (events: readonly RunEvent[], job: string, adapter: string) => {
  const order = trees(events).map(({ problem }) => problem);
  return set(events, job, adapter).examples.map(({ problem, turn, rejected }) =>
    [order.indexOf(problem), rejected ? `${turn}>${rejected.turn}` : turn].join(' '),
  );
};
const scores = (episode: Episode | undefined, by: string) =>
  episode?.verdicts.filter((one) => one.by === by).flatMap((one) => one.scores ?? []);

let events: RunEvent[];
beforeAll(async () => {
  events = await grown();
});

describe('a tree', () => {
  it('has n answers, n checks of each, and n refinements after each check, each under its parents', () => {
    const [tree] = trees(events);
    expect(tree?.turns.map(({ call, parents, layer, agent }) => [call, parents, layer, agent])).toEqual([
      ['answer-0', [], 0, 'generator'],
      ['answer-1', [], 0, 'generator'],
      ['critique-0-0', [0], 1, 'verifier'],
      ['critique-1-0', [1], 1, 'verifier'],
      ['critique-0-1', [0], 1, 'verifier'],
      ['critique-1-1', [1], 1, 'verifier'],
      ['refinement-0-0-0', [0, 2], 1, 'refiner'],
      ['refinement-1-0-0', [1, 3], 1, 'refiner'],
      ['refinement-0-1-0', [0, 4], 1, 'refiner'],
      ['refinement-1-1-0', [1, 5], 1, 'refiner'],
      ['refinement-0-0-1', [0, 2], 1, 'refiner'],
      ['refinement-1-0-1', [1, 3], 1, 'refiner'],
      ['refinement-0-1-1', [0, 4], 1, 'refiner'],
      ['refinement-1-1-1', [1, 5], 1, 'refiner'],
    ]);
    expect(tree?.turns.map(({ answer }) => answer !== undefined)).toEqual([
      true,
      true,
      ...Array<boolean>(4).fill(false),
      ...Array<boolean>(8).fill(true),
    ]);
  });

  it('has right and wrong leaves by the true answer, and pooled values above them', () => {
    const [mixed, right, wrong, unreadable] = trees(events);
    expect(mixed?.verdicts[0]).toMatchObject({ by: CHECKER, of: [6, 7, 8, 9, 10, 11, 12, 13] });
    expect(scores(mixed, CHECKER)).toEqual([1, 0, 1, 0, 0, 0, 1, 0]);
    expect(mixed?.verdicts.slice(1).map(({ by, of: at }) => [by, at])).toEqual([[TREE, [0, 1]], [TREE, [2, 3, 4, 5]]]); // prettier-ignore
    expect(scores(mixed, TREE)).toEqual([0.75, 0, 0.5, 0, 1, 0]);
    expect(scores(right, TREE)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(scores(wrong, TREE)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(scores(unreadable, TREE)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('asks the verifier about an answer, and the refiner about the answer and what the check arrived at', async () => {
    const runtime = new Scripted([{ 'answer-0': 5, 'critique-0-0': 7, 'critique-0-1': null }]);
    await grown({ trainProblems: 1 }, runtime);
    const asked = runtime.asked.flat().filter(({ at }) => at.purpose === 'train');
    const content = (call: string) => asked.find((one) => one.call === call)?.messages[0]?.content ?? '';
    const question = content('answer-0');
    const gold = Number(arithmetic.problems('train', 1, 0)[0]?.gold);
    expect(content('critique-0-0')).toBe(`${question}@${gold + 5}`);
    expect(content('refinement-0-0-1')).toBe(`${question}@${gold + 5}~${gold + 7}`);
    expect(content('refinement-0-1-0')).toBe(`${question}@${gold + 5}~x`);
  });
});

describe('examples', () => {
  it('are turns above the threshold; ½ is not', () => {
    expect(members(events, 'imitate/1', 'generator')).toEqual(['0 0', '1 0', '1 1']);
    expect(members(events, 'imitate/1', 'verifier')).toEqual(['0 4', '1 2', '1 3', '1 4', '1 5']);
    expect(members(events, 'imitate/1', 'refiner')).toEqual([
      ...['0 6', '0 8', '0 12'],
      ...[6, 7, 8, 9, 10, 11, 12, 13].map((turn) => `1 ${turn}`),
    ]);
    const { available, dropped, objective } = set(events, 'imitate/1', 'verifier');
    expect([available, objective]).toEqual([{ positive: 5 }, { kind: 'sft' }]);
    expect(dropped).toEqual([{ reason: NOT_LEARNT.value, count: 11 }]);
  });

  it('take ½ too where ties are wanted, as another implementation has it', async () => {
    const other = await grown({ ties: 'wanted' });
    expect(members(other, 'imitate/1', 'verifier')).toEqual(['0 2', '0 4', '1 2', '1 3', '1 4', '1 5']);
    expect(set(other, 'prefer/1', 'verifier').examples).toEqual([]);
  });

  it('are fewer under a higher threshold', async () => {
    expect(members(await grown({ threshold: 0.8 }), 'imitate/1', 'generator')).toEqual(['1 0', '1 1']);
    expect(members(await grown({ threshold: 0.4 }), 'imitate/1', 'verifier')).toContain('0 2');
  });

  it('are at most so many of a problem', async () => {
    const capped = await grown({ perProblem: 1 });
    for (const role of ['generator', 'verifier', 'refiner']) {
      const all = members(events, 'imitate/1', role);
      const kept = members(capped, 'imitate/1', role);
      expect(kept.map((name) => name[0])).toEqual(['0', '1']);
      expect(all).toEqual(expect.arrayContaining(kept));
      const left = { reason: NOT_LEARNT.enough, count: all.length - 2 };
      expect(set(capped, 'imitate/1', role).dropped).toEqual(expect.arrayContaining([left]));
      expect(set(capped, 'imitate/1', role).available).toEqual({ positive: all.length });
    }
  });
});

describe('preferences', () => {
  it('are between siblings on both sides of the threshold: the mixed tree alone has any', () => {
    expect(members(events, 'prefer/1', 'generator')).toEqual(['0 0>1']);
    expect(members(events, 'prefer/1', 'verifier')).toEqual(['0 4>2']);
    // Leaves 8 and 12 are both right; under answer 1 all are wrong.
    expect(members(events, 'prefer/1', 'refiner')).toEqual(['0 6>10']);
    const { dropped, objective } = set(events, 'prefer/1', 'refiner');
    expect(objective).toEqual({ kind: 'dpo', beta: 0.2 });
    expect(dropped).toEqual([{ reason: NOT_LEARNT.alike, count: 30 }]);
  });

  it('are learnt from and against the role as it was after its examples, both texts under one prompt', async () => {
    const runtime = new Scripted(SCRIPTS);
    await grown({}, runtime);
    expect(runtime.trained.map(({ job }) => job)).toEqual(['imitate/1', 'prefer/1']);
    const [examples, preferences] = runtime.trained;
    expect(examples?.tracks.map(({ adapter, reference }) => [adapter, reference])).toEqual([
      ['generator', undefined],
      ['verifier', undefined],
      ['refiner', undefined],
    ]);
    expect(preferences?.objective).toEqual({ kind: 'dpo', beta: 0.2 });
    for (const { adapter, reference, pairs, examples: texts } of preferences?.tracks ?? []) {
      expect(reference).toBe(adapter);
      expect(pairs).toEqual([{ chosen: 0, rejected: 1 }]);
      expect(texts[0]?.messages).toEqual(texts[1]?.messages);
      expect(texts[0]?.completion).not.toBe(texts[1]?.completion);
    }
  });

  it('come at a rate of their own', async () => {
    const runtime = new Scripted(SCRIPTS);
    await grown({ preferenceRate: 0.1 }, runtime);
    const [examples, preferences] = runtime.trained.map(({ optimiser }) => optimiser.lr);
    expect(preferences).toBeCloseTo((examples ?? 0) / 10, 12);
  });

  it('leave out equal texts of siblings', async () => {
    // Three leaves of check 0-0 are wanted, unwanted and unwanted; the unwanted ones say the same.
    const script: Script = { [leaf(0, 0, 1)]: 1, [leaf(0, 0, 2)]: 1 };
    const texts = { [leaf(0, 0, 1)]: 'same', [leaf(0, 0, 2)]: 'same', 'critique-0-0': 'c', 'critique-0-1': 'c' };
    const config = { branches: 3, trainProblems: 1, threshold: 0.5 };
    const different = await grown(config, new Scripted([script]));
    const alike = await grown(config, new Scripted([script], {}, texts));
    expect(members(different, 'prefer/1', 'refiner').length).toBe(2);
    expect(members(alike, 'prefer/1', 'refiner').length).toBe(1);
    // Check 0-0 is worth ⅓ and says what check 0-1 says; it is compared with check 0-2 alone.
    expect(members(different, 'prefer/1', 'verifier').length).toBe(2);
    expect(members(alike, 'prefer/1', 'verifier').length).toBe(1);
  });

  it('are one for each set of siblings where that is asked for', async () => {
    // Under every check one of three leaves is right.
    const script = Object.fromEntries(
      [0, 1, 2].flatMap((j) => [0, 1, 2].flatMap((k) => [1, 2].map((l) => [leaf(j, k, l), l] as const))),
    );
    const config = { branches: 3, trainProblems: 1 };
    const all = members(await grown(config, new Scripted([script])), 'prefer/1', 'refiner');
    const one = members(await grown({ ...config, pairs: 'one' }, new Scripted([script])), 'prefer/1', 'refiner');
    expect([all.length, one.length]).toEqual([18, 9]);
    expect(all).toEqual(expect.arrayContaining(one));
    expect(new Set(one.map((name) => name.split('>')[0])).size).toBe(9);
  });

  it('are learnt by whom the setting names', async () => {
    const adapters = (log: RunEvent[]) =>
      of(log, 'dataset').flatMap((one) => (one.job === 'prefer/1' ? [one.adapter] : []));
    expect(adapters(await grown({ prefer: 'verifier-refiner' }))).toEqual(['verifier', 'refiner']);
    const runtime = new Scripted(SCRIPTS);
    expect(adapters(await grown({ prefer: 'none' }, runtime))).toEqual([]);
    expect(runtime.trained.map(({ job }) => job)).toEqual(['imitate/1']);
  });
});

describe('what became of a turn', () => {
  const fates = (episode: Episode | undefined, more = {}) =>
    recipeNamed('malt').fate!(episode as Episode, few(more), arithmetic.equal).map((fate) =>
      fate.to === 'dataset' ? fate.kind : fate.to,
    );

  it('follows the same rule as the data sets', () => {
    const [mixed, right, wrong] = trees(events);
    expect(fates(mixed)).toEqual([
      ...['positive', 'rejected'],
      ...['rejected', 'dropped', 'positive', 'dropped'],
      ...['positive', 'dropped', 'positive', 'dropped', 'rejected', 'dropped', 'positive', 'dropped'],
    ]);
    expect(fates(mixed, { prefer: 'verifier-refiner' })[1]).toBe('dropped');
    expect(new Set(fates(right))).toEqual(new Set(['positive']));
    expect(new Set(fates(wrong))).toEqual(new Set(['dropped']));
    expect(new Set(fates(of(events, 'episode')[0]))).toEqual(new Set(['unused']));
  });
});

describe('empty sets', () => {
  it('train nothing and end the run all the same', async () => {
    const runtime = new Scripted([every(1), every(null)]);
    const log = await grown({ trainProblems: 2 }, runtime);
    expect(of(log, 'dataset').every(({ examples }) => examples.length === 0)).toBe(true);
    expect(of(log, 'training-step')).toEqual([]);
    expect(of(log, 'adapter').map(({ from }) => 'job' in from && from.steps)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(log.at(-1)?.type).toBe('run-finished');
  });

  it('of equal leaves give examples and no pair', async () => {
    const log = await grown({ trainProblems: 2 }, new Scripted([every(0), every(0)]));
    expect(set(log, 'imitate/1', 'refiner').examples.length).toBe(16);
    for (const role of ['generator', 'verifier', 'refiner']) expect(set(log, 'prefer/1', role).examples).toEqual([]);
  });
});

describe('a role that stays untouched', () => {
  it('is played by the base model and learns nothing', async () => {
    const log = await grown({ untrained: 'verifier' });
    const [started] = of(log, 'run-started');
    expect(started?.learners[1]?.agents).toEqual(['generator', 'refiner']);
    expect(new Set(of(log, 'dataset').map(({ adapter }) => adapter))).toEqual(new Set(['generator', 'refiner']));
    expect(new Set(trees(log)[0]?.turns.map(({ kind, agent }) => `${kind} ${agent}`))).toEqual(
      new Set(['answer generator', 'critique base', 'refinement refiner']),
    );
    expect(members(log, 'imitate/1', 'refiner')).toEqual(members(events, 'imitate/1', 'refiner'));
  });
});

describe('label=vote', () => {
  const scripts = [
    // 5 of 8 leaves say the same wrong answer: they are what is learnt.
    every(0, { [leaf(0, 0, 0)]: 9, [leaf(0, 0, 1)]: 9, [leaf(0, 1, 0)]: 9, [leaf(0, 1, 1)]: 9, [leaf(1, 0, 0)]: 9 }),
    // 4 of 8 are no majority.
    every(0, { [leaf(0, 0, 0)]: 9, [leaf(0, 0, 1)]: 9, [leaf(0, 1, 0)]: 9, [leaf(0, 1, 1)]: 9 }),
    every(null),
  ];

  it('takes the answer of more than half of the leaves, and no other', async () => {
    const log = await grown({ label: 'vote', trainProblems: 3 }, new Scripted(scripts));
    const [agreed, split, silent] = trees(log);
    expect(agreed?.verdicts.map(({ by, count }) => [by, count])).toEqual([['vote', 5], [TREE, undefined], [TREE, undefined]]); // prettier-ignore
    expect(scores(agreed, TREE)).toEqual([1, 0.25, 1, 0.5, 1, 0]);
    expect([split, silent].map((tree) => scores(tree, TREE))).toEqual([[], []]);
    expect(members(log, 'imitate/1', 'generator')).toEqual(['0 0']);
    expect(members(log, 'prefer/1', 'refiner')).toEqual(['0 7>11']);
    expect(set(log, 'imitate/1', 'generator').dropped).toEqual([
      { reason: NOT_LEARNT.value, count: 1 },
      { reason: DROPPED.fewVotes, count: 2 },
      { reason: DROPPED.noVote, count: 2 },
    ]);
    expect(of(log, 'pseudo-labels')[0]).toMatchObject({ problems: 3, accepted: 1, acceptedRight: 0 });
  });
});

describe('credit=chain', () => {
  /** Answers right, wrong, wrong; refinements right, right, wrong. */
  const script: Script = { 'answer-1': 1, 'answer-2': 1, [leaf(2, 0, 0)]: 1 };
  const chains = { credit: 'chain', branches: 3, trainProblems: 2 };

  it('gives each role its own advantage, and a check that of its chain', async () => {
    const runtime = new Scripted([script, {}]);
    const log = await grown(chains, runtime);
    const [mixed, alike] = trees(log);
    expect(mixed?.turns.map(({ call }) => call)).toEqual([
      ...['answer-0', 'answer-1', 'answer-2'],
      ...['critique-0-0', 'critique-1-0', 'critique-2-0'],
      ...['refinement-0-0-0', 'refinement-1-0-0', 'refinement-2-0-0'],
    ]);
    expect(mixed?.verdicts).toMatchObject([{ by: CHECKER, of: [0, 1, 2, 6, 7, 8], scores: [1, 0, 0, 1, 1, 0] }]);
    const weights = (role: string) =>
      set(log, 'reinforce/1', role).examples.map(({ turn, kind, weight }) => [turn, kind, weight]);
    // Rewards 1 0 0: mean ⅓, deviation √2/3. Rewards 1 1 0: mean ⅔.
    expect(weights('generator')).toEqual([[0, 'better', 1.414214], [1, 'worse', -0.707107], [2, 'worse', -0.707107]]); // prettier-ignore
    expect(weights('verifier')).toEqual([[3, 'better', 0.707107], [4, 'better', 0.707107], [5, 'worse', -1.414214]]); // prettier-ignore
    expect(weights('refiner')).toEqual([[6, 'better', 0.707107], [7, 'better', 0.707107], [8, 'worse', -1.414214]]); // prettier-ignore
    expect(set(log, 'reinforce/1', 'generator').dropped).toEqual([{ reason: NOT_LEARNT.chains, count: 3 }]);
    expect(runtime.trained.map(({ job, objective }) => [job, objective.kind])).toEqual([['reinforce/1', 'sft']]);
    expect(alike?.problem).not.toBe(mixed?.problem);
  });

  it('takes the majority of the chains’ ends where nobody knows the truth', async () => {
    const log = await grown({ ...chains, trainProblems: 1, label: 'vote' }, new Scripted([script]));
    expect(trees(log)[0]?.verdicts).toMatchObject([{ by: 'vote', of: [6, 7, 8], count: 2 }]);
    expect(set(log, 'reinforce/1', 'generator').examples.map(({ weight }) => weight)).toEqual([
      1.414214, -0.707107, -0.707107,
    ]);
  });
});

describe('a test', () => {
  it('counts the generator alone, one pass, and the votes on either; as many samples stand beside', async () => {
    // Answers right, wrong, wrong (alike); refinements wrong, right, right; of nine samples five are right.
    const tests: Script = {
      ...{ 'answer-1': 1, 'answer-2': 1, [leaf(0, 0, 0)]: 1 },
      ...{ 'answer-5': null, 'answer-8': 2 },
    };
    const log = await grown({ iterations: 1 }, new Scripted(SCRIPTS, tests));
    const [base, after] = of(log, 'evaluation');
    const right = (of_: typeof base) => of_?.scores.map((score) => [score.method, score.calls, score.right, score.n]);
    expect(right(base)).toEqual([
      ['single', 1, 3, 3],
      ['majority', 3, 0, 3],
      ['pipeline', 3, 0, 3],
      ['pipelineVote', 9, 3, 3],
      ['majorityEqualCalls', 9, 3, 3],
    ]);
    expect(right(after)).toEqual([
      ['maltGenerator', 1, 3, 3],
      ['maltGeneratorMajority', 3, 0, 3],
      ['maltPass', 3, 0, 3],
      ['maltVote', 9, 3, 3],
    ]);
    expect(base?.scores.map(({ turns }) => turns)).toEqual([
      [0],
      [0, 1, 2],
      [6],
      [6, 7, 8],
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
    ]);
    expect(base?.layers.map(({ seats, consensus }) => [seats.map(({ right: count }) => count), consensus])).toEqual([
      [[3, 0, 0], 2 / 3],
      [[0, 3, 3], 2 / 3],
    ]);
  });

  it('of one pass has no votes', async () => {
    const log = await grown({ votes: 1 });
    expect(of(log, 'evaluation').map(({ scores: some }) => some.map(({ method }) => method))).toEqual([
      ['single', 'pipeline', 'majorityEqualCalls'],
      ['maltGenerator', 'maltPass'],
    ]);
    const [started] = of(log, 'run-started');
    const known = new Set(started?.methods.map(({ key }) => key));
    for (const key of started?.compare.flat() ?? []) expect(known).toContain(key);
  });
});

describe('settings', () => {
  it('raise the threshold evenly over iterations', () => {
    const config = few({ iterations: 3, threshold: 0.5, thresholdEnd: 0.9 });
    expect([1, 2, 3].map((iteration) => thresholdIn(config, iteration))).toEqual([0.5, 0.7, 0.9]);
    expect(thresholdIn(few({ iterations: 1, thresholdEnd: 0.9 }), 1)).toBe(0.5);
    expect(thresholdIn(few({ iterations: 3 }), 3)).toBe(0.5);
  });

  it('refuse a threshold that wrong turns reach', () => {
    expect(() => smallConfig({ threshold: 0, ties: 'wanted' }, 'malt')).toThrow(
      /^threshold: every value is at least 0/,
    );
    expect(() => smallConfig({ threshold: 0, ties: 'wanted', credit: 'chain' }, 'malt')).not.toThrow();
  });

  it('refuse a threshold that nothing is above', () => {
    expect(() => few({ threshold: 1 })).toThrow(ConfigurationError);
    expect(() => few({ thresholdEnd: 1 })).toThrow(/no value is above 1/);
    expect(few({ threshold: 1, ties: 'wanted' })).toMatchObject({ threshold: 1 });
  });

  it('count the calls of a tree and of chains exactly', async () => {
    for (const more of [{}, { credit: 'chain' }, { votes: 1 }] as Record<string, string | number>[]) {
      const runtime = new Scripted(SCRIPTS);
      await grown({ ...more, iterations: 2 }, runtime);
      const work = recipeNamed('malt').cost(few({ ...more, iterations: 2 })).work;
      const calls = work.reduce((sum, one) => sum + (one.kind === 'episodes' ? one.calls : 0), 0);
      expect(runtime.asked.flat().length).toBe(calls);
      const rows = Math.max(...runtime.asked.map(({ length }) => length));
      expect(recipeNamed('malt').cost(few(more)).rows).toBeGreaterThanOrEqual(rows);
    }
    const { work } = recipeNamed('malt').cost(resolveConfig('arithmetic-tiny', {}, 'malt'));
    // 3 + 9 + 27 calls for each of 24 problems.
    expect(work.find(({ kind, iteration }) => kind === 'episodes' && iteration === 1)).toMatchObject({
      calls: 24 * 39,
    });
  });
});
