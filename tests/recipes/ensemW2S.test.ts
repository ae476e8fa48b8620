/** EnsemW2S over a scripted runtime: weights, alphas, masks, mixtures and labels, worked out by hand. */
import { describe, expect, it } from 'vitest';
import type { DatasetBuilt, Measured, RunEvent } from '../../src/events';
import { resultsOf } from '../../src/log/results';
import { TOKEN_WEIGHT_SCALE, unpackNumbers } from '../../src/pack';
import { recipeNamed } from '../../src/recipes';
import { ConfigurationError } from '../../src/recipes/errors';
import { resolveConfig } from '../../src/recipes/resolve';
import { secondModelOf } from '../../src/recipes/secondModel';
import type { Answer, Question } from '../../src/runtimes/types';
import { strategies } from '../../src/tasks/strategies';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

interface Script {
  /** Places of tokens that are wrong, among those of all texts that an agent reads for training, in the order in which it reads them. */
  wrong?: Readonly<Record<string, readonly number[]>>;
  /** Choice: probability ratio of the true candidate to the other one, by agent and place of the problem; absent = 4. */
  odds?: Readonly<Record<string, readonly number[]>>;
  /** What is added to the true answer in training; null = unreadable; absent = right. */
  slips?: Readonly<Record<string, number | null>>;
  /** Of 20 held-out problems, how many an agent has right. */
  right?: Readonly<Record<string, number>>;
}

class Scripted extends FakeRuntime {
  readonly #read = new Map<string, number>();
  readonly #problems = new Map<string, number[]>();

  constructor(private readonly script: Script) {
    super();
  }

  protected override reading(question: Question): Answer {
    const { agent, at, given = '' } = question;
    const ids = [...Array.from(given, (character) => character.charCodeAt(0)), 0];
    const from = this.#read.get(agent) ?? 0;
    this.#read.set(agent, from + ids.length);
    const wrong = at.purpose === 'train' ? (this.script.wrong?.[agent] ?? []) : [];
    const odds = this.script.odds?.[agent]?.[this.#place(`${agent} ${at.purpose}`, at.problem)] ?? 4;
    const logprobs = ids.map(() => 0);
    logprobs[0] = -5 + (given.endsWith(`#${truth(question)}`) ? Math.log(odds) : 0);
    return {
      text: given,
      finish: 'stop',
      tokens: ids.length,
      ids,
      logprobs,
      margins: ids.map((_, token) => (wrong.includes(from + token) ? -0.5 : 0)),
    };
  }

  protected override answer(question: Question): Answer {
    const { agent, at, given } = question;
    if (given !== undefined) return this.reading(question);
    const right = this.script.right?.[agent] ?? 20;
    const slip =
      at.purpose === 'train' ? this.script.slips?.[agent] : this.#place(agent, at.problem) < right ? undefined : 1;
    const text = slip === null ? '?' : `#${truth(question) + (slip ?? 0)}`;
    return { text, finish: 'stop', tokens: text.length };
  }

  /** Which of the problems that the agent meets it is, in their order. */
  #place(agent: string, problem: number): number {
    const met = this.#problems.get(agent) ?? [];
    this.#problems.set(agent, met);
    if (!met.includes(problem)) met.push(problem);
    return met.indexOf(problem);
  }
}

function truth({ messages }: Question): number {
  const [, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = (
    /^(\d)\+(\d)\*(\d)\+(\d)-(\d)\*(\d)/.exec(messages[0]?.content ?? '') ?? []
  ).map(Number);
  return a + b * c + d - e * f;
}

/** Three easy problems and two hard ones, three experts at most, no validation. */
const FEW = {
  trainProblems: 5,
  evaluationProblems: 20,
  iterations: 1,
  experts: 3,
  labelled: 0.6,
  validation: 0,
  size: 'all',
  chunk: 100,
};

async function played(script: Script, more: Record<string, string | number> = {}) {
  const runtime = new Scripted(script);
  const events = await logOf(runtime, smallConfig({ ...FEW, ...more }, 'ensem-w2s'));
  return { runtime, events };
}

const measured = (events: readonly RunEvent[], name: string) =>
  Object.fromEntries(
    (of(events, 'measured').find((event) => event.name === name) as Measured | undefined)?.values.map(
      ({ label, value }) => [label, value],
    ) ?? [],
  );
const set = (events: readonly RunEvent[], adapter: string) =>
  of(events, 'dataset').find((one) => one.adapter === adapter) as DatasetBuilt;
const tokensOf = ({ examples }: DatasetBuilt) =>
  examples.map(({ tokens = '' }) => unpackNumbers(tokens, TOKEN_WEIGHT_SCALE));
/** What the agent was asked in training, without readings. */
const labelled = ({ asked }: FakeRuntime, agent: string) =>
  asked
    .flat()
    .filter((question) => question.agent === agent && question.at.purpose === 'train' && question.given === undefined);
const logit = (error: number) => Math.log((1 - error) / error);

describe('generation', () => {
  // Round 1 weighs all tokens alike: the base has 4 wrong, expert 1 one of them. Round 2: expert 2 has token 1 wrong, expert 3 ten others.
  const wrong = {
    base: [0, 1, 2, 3],
    'expert-1': [0],
    'expert-2': [1],
    'expert-3': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  };

  it('weighs experts by their log-odds over the untouched model under the same weights, and stops below it', async () => {
    const { events, runtime } = await played({ wrong });
    const round1 = measured(events, 'round 1');
    const n = round1['items'] as number;
    expect(round1['weighted error']).toBeCloseTo(1 / n, 5);
    expect(round1['error it is measured against']).toBeCloseTo(4 / n, 5);
    const alpha1 = logit(1 / n) - logit(4 / n);
    expect(round1['weight α']).toBeCloseTo(alpha1, 5);
    expect(round1['effective sample size']).toBeCloseTo(n, 5);

    // D_2: token 0 has w = e^α₁ against 1 of each other.
    const w = Math.exp(alpha1);
    const sum = n - 1 + w;
    const round2 = measured(events, 'round 2');
    expect(round2['weighted error']).toBeCloseTo(1 / sum, 5);
    expect(round2['error it is measured against']).toBeCloseTo((w + 3) / sum, 5);
    expect(round2['effective sample size']).toBeCloseTo(sum ** 2 / (n - 1 + w ** 2), 3);
    const alpha2 = logit(1 / sum) - logit((w + 3) / sum);
    expect(round2['weight α']).toBeCloseTo(alpha2, 5);

    // Expert 3 is wrong where the base is, and on six tokens more.
    expect(measured(events, 'round 3')['weight α']).toBeLessThan(0);
    expect(measured(events, 'ensemble')).toEqual({
      'experts better than the reference': 2,
      'experts in the ensemble': 2,
    });
    // The mixture that labels: both experts, by their alphas; the bagged ones alike.
    const [asked] = labelled(runtime, 'ensemble');
    expect(asked?.adapter).toBeNull();
    expect(asked?.mixture?.map(({ adapter }) => adapter)).toEqual(['expert-1', 'expert-2']);
    expect(asked?.mixture?.[0]?.weight).toBeCloseTo(alpha1, 6);
    expect(asked?.mixture?.[1]?.weight).toBeCloseTo(alpha2, 6);
    expect(labelled(runtime, 'bagging')[0]?.mixture).toEqual([
      { adapter: 'bagged-1', weight: 1 },
      { adapter: 'bagged-2', weight: 1 },
    ]);
    expect(labelled(runtime, 'teacher')[0]).toMatchObject({ adapter: 'teacher' });
  });

  it('measures against the untouched model under equal weights where it is told so', async () => {
    const { events } = await played({ wrong }, { baseError: 'uniform' });
    const n = measured(events, 'round 1')['items'] as number;
    expect(measured(events, 'round 2')['error it is measured against']).toBeCloseTo(4 / n, 5);
  });

  it('leaves an expert out that is no better, and goes on under the same weights', async () => {
    const { events, runtime } = await played(
      { wrong: { ...wrong, 'expert-2': wrong['expert-3'], 'expert-3': [] } },
      { notBetter: 'skip' },
    );
    expect(measured(events, 'round 2')['weight α']).toBeLessThan(0);
    expect(measured(events, 'round 3')['effective sample size']).toBe(
      measured(events, 'round 2')['effective sample size'],
    );
    expect(labelled(runtime, 'ensemble')[0]?.mixture?.map(({ adapter }) => adapter)).toEqual(['expert-1', 'expert-3']);
  });

  it('has the untouched model as the teacher where no expert is better', async () => {
    const { events, runtime } = await played({ wrong: { base: [0], 'expert-1': [0] } });
    // As good is not better.
    expect(measured(events, 'round 1')['weight α']).toBe(0);
    expect(measured(events, 'round 2')).toEqual({});
    expect(measured(events, 'ensemble')['experts in the ensemble']).toBe(0);
    for (const agent of ['ensemble', 'bagging']) {
      expect(labelled(runtime, agent)[0]).toMatchObject({ adapter: null });
      expect(labelled(runtime, agent)[0]?.mixture).toBeUndefined();
    }
  });

  it('has an expert alone where there is one, and keeps a perfect one’s weight finite', async () => {
    const { events, runtime } = await played({ wrong: { base: [0, 1], 'expert-1': [] } }, { experts: 1 });
    const { items: n = 0, 'weight α': alpha } = measured(events, 'round 1');
    expect(alpha).toBeCloseTo(Math.log(2 * n - 1) - logit(2 / n), 5);
    expect(labelled(runtime, 'ensemble')[0]).toMatchObject({ adapter: 'expert-1' });
  });

  it('masks all tokens but those that were drawn', async () => {
    const { events: whole } = await played({ wrong });
    const n = measured(whole, 'round 1')['items'] as number;
    // One draw: one token of one sentence.
    const { events, runtime } = await played({ wrong }, { drawn: 1 / n });
    for (const adapter of ['expert-1', 'bagged-1']) {
      const own = set(events, adapter);
      expect(own.dropped).toEqual([{ reason: 'not drawn in this round', count: 2 }]);
      expect(own.available).toEqual({ solution: 3 });
      expect(tokensOf(own).map((mask) => [...mask].sort().slice(-2))).toEqual([[0, 1]]);
    }
    const track = runtime.trained[0]?.tracks.find(({ adapter }) => adapter === 'expert-1');
    expect(track?.examples[0]?.tokenWeights).toEqual(tokensOf(set(events, 'expert-1'))[0]);
    // A token that is drawn often is learnt once, and the single teacher learns all of it.
    const { events: often } = await played({ wrong }, { drawn: 8 });
    expect(new Set(tokensOf(set(often, 'expert-1')).flat())).toEqual(new Set([1]));
    expect(set(often, 'teacher').examples.map(({ tokens }) => tokens)).toEqual([undefined, undefined, undefined]);
  });

  it('weighs losses by D·n where it is told so, bagging apart', async () => {
    const { events } = await played({ wrong }, { weighting: 'weights' });
    const n = measured(events, 'round 1')['items'] as number;
    expect(new Set(tokensOf(set(events, 'expert-1')).flat())).toEqual(new Set([1]));
    const w = Math.exp(logit(1 / n) - logit(4 / n));
    const [first, ...others] = tokensOf(set(events, 'expert-2')).flat();
    expect(first).toBeCloseTo((w * n) / (n - 1 + w), 2);
    others.forEach((weight) => expect(weight).toBeCloseTo(n / (n - 1 + w), 2));
    expect(new Set(tokensOf(set(events, 'bagged-2')).flat())).toEqual(new Set([0, 1]));
  });

  it('labels hard problems alone, and gives each student the labels of its own teacher', async () => {
    const slips = { ensemble: 1, teacher: 0, bagging: null };
    const { events, runtime } = await played({ wrong, slips });
    const [easy, hard] = [set(events, 'teacher'), set(events, 'student')].map((one) =>
      one.examples.map(({ problem }) => problem),
    );
    expect([easy?.length, hard?.length]).toEqual([3, 2]);
    expect(easy?.some((problem) => hard?.includes(problem))).toBe(false);
    const kinds = ['student', 'studentOfTeacher', 'studentOfBagging', 'studentOfGold'].map((key) => {
      const { examples, dropped } = set(events, key);
      return [examples.map(({ kind }) => kind), dropped];
    });
    expect(kinds).toEqual([
      [['label', 'label'], []],
      [['label', 'label'], []],
      [[], [{ reason: 'no answer can be read', count: 2 }]],
      [['solution', 'solution'], []],
    ]);
    const labels = of(events, 'pseudo-labels').map((one) => [one.learner, one.accepted, one.acceptedRight]);
    expect(labels).toEqual([
      ['student', 2, 0],
      ['studentOfTeacher', 2, 2],
      ['studentOfBagging', 0, 0],
    ]);
    // A student without labels is left as it was made, with the others' first weights.
    const adapters = of(events, 'adapter').filter(({ from }) => 'job' in from && from.job === 'students/1');
    expect(adapters.map(({ from }) => 'steps' in from && from.steps > 0)).toEqual([true, true, false, true]);
    const seeds = runtime.created.filter(([name]) => name.startsWith('student')).map(([, seed]) => seed);
    expect(new Set(seeds).size).toBe(1);
  });

  it('takes K samples for a soft label, and one answer for a hard one', async () => {
    const { runtime } = await played({ wrong }, { labels: 'soft', samples: 3 });
    expect(labelled(runtime, 'teacher').map(({ call }) => call)).toEqual(
      [0, 1].flatMap(() => ['answer-0', 'answer-1', 'answer-2']),
    );
    const { runtime: greedy } = await played({ wrong }, { greedy: 'true' });
    expect(labelled(greedy, 'teacher').map(({ sampling }) => sampling?.temperature)).toEqual([0, 0]);
  });

  it('recovers a share of the gap, beside raw accuracies', async () => {
    const right = { teacher: 5, studentOfTeacher: 8, student: 10, studentOfBagging: 5, studentOfGold: 15 };
    const { events } = await played({ wrong, right });
    const last = resultsOf(events).iterations[1];
    expect(last?.methods['student']?.accuracy).toBe(0.5);
    const shares = last?.recovered?.map(({ student, share }) => [student, share]);
    expect(shares?.map(([student]) => student)).toEqual(['student', 'studentOfTeacher', 'studentOfBagging']);
    [0.5, 0.3, 0].forEach((share, at) => expect(shares?.[at]?.[1]).toBeCloseTo(share, 10));
  });
});

describe('choice', () => {
  const choice = (script: Script, more: Record<string, string | number> = {}) =>
    played(script, { branch: 'choice', ...more });
  // Below 1 the true candidate is the less probable one. Problems in the order of the log: three easy ones, then two hard ones.
  const odds = { 'expert-1': [0.25, 4, 4, 4, 0.5], 'expert-2': [4, 0.25, 4, 0.25, 0.5], 'expert-3': [4, 0.5, 4] };

  it('weighs problems, and experts over a guess; half of the weight wrong is not better', async () => {
    const { events } = await choice({ odds });
    // One of three wrong: ln 2. Then D = ½, ¼, ¼: a quarter wrong: ln 3. Then D = ⅓, ½, ⅙: half wrong.
    expect(measured(events, 'round 1')['weight α']).toBeCloseTo(Math.log(2), 6);
    expect(measured(events, 'round 2')['weighted error']).toBeCloseTo(1 / 4, 6);
    expect(measured(events, 'round 2')['weight α']).toBeCloseTo(Math.log(3), 6);
    expect(measured(events, 'round 2')['effective sample size']).toBeCloseTo(1 / (1 / 4 + 2 / 16), 5);
    expect(measured(events, 'round 3')['weighted error']).toBeCloseTo(1 / 2, 6);
    expect(measured(events, 'round 3')['weight α']).toBe(0);
    expect(measured(events, 'ensemble')['experts in the ensemble']).toBe(2);
  });

  it('measures over the untouched model where it is told so', async () => {
    // The base has two of three wrong, expert 1 one: ln 2 − ln ½.
    const { events } = await choice({ odds: { ...odds, base: [0.5, 0.5, 2] } }, { choiceAlpha: 'base' });
    expect(measured(events, 'round 1')['weight α']).toBeCloseTo(Math.log(4), 6);
  });

  it('mixes shares by the experts’ weights, and takes the larger one as a hard label', async () => {
    const { events } = await choice({ odds });
    const hard = of(events, 'episode').filter(({ purpose, learner }) => purpose === 'train' && learner === 'student');
    const [a, b] = [Math.log(2), Math.log(3)];
    // True candidate of the first hard problem: 4/5 to expert 1, 1/5 to expert 2; of the second 1/3 to both.
    const shares = [(a * 0.8 + b * 0.2) / (a + b), 1 / 3];
    hard.forEach(({ turns, verdicts }, at) => {
      // Two readers, two candidates.
      expect(turns.length).toBe(4);
      const [verdict] = verdicts;
      expect(verdict?.of).toEqual([0, 1]);
      const sum = verdict?.scores?.reduce((total, score) => total + score, 0);
      expect(sum).toBeCloseTo(1, 5);
      expect(Math.min(...(verdict?.scores ?? []))).toBeCloseTo(Math.min(shares[at] ?? 0, 1 - (shares[at] ?? 0)), 3);
      expect(verdict?.right).toBe(false);
    });
    const { examples } = set(events, 'student');
    expect(examples.map(({ turn, weight }) => [hard[0]?.verdicts[0]?.scores?.[turn], weight]).length).toBe(2);
    examples.forEach(({ turn, weight, problem }) => {
      const scores = hard.find((one) => one.problem === problem)?.verdicts[0]?.scores ?? [];
      expect(scores[turn]).toBe(Math.max(...scores));
      expect(weight).toBeUndefined();
    });
  });

  it('learns every candidate with its share where labels are soft', async () => {
    const { events } = await choice({ odds }, { labels: 'soft' });
    const hard = of(events, 'episode').filter(({ purpose, learner }) => purpose === 'train' && learner === 'student');
    const { examples } = set(events, 'student');
    expect(examples.length).toBe(4);
    for (const { problem, turn, weight } of examples)
      expect(weight).toBe(hard.find((one) => one.problem === problem)?.verdicts[0]?.scores?.[turn]);
  });

  it('draws problems with replacement: a weight says how often, and the true candidate is learnt', async () => {
    const { events } = await choice({ odds }, { drawn: 2 });
    const own = set(events, 'expert-1');
    expect(own.examples.reduce((sum, { weight = 0 }) => sum + weight, 0)).toBe(6);
    const solutions = of(events, 'episode').filter(({ purpose, learner }) => purpose === 'train' && learner === 'base');
    for (const { problem, turn } of own.examples)
      expect(solutions.find((one) => one.problem === problem)?.verdicts[0]?.scores?.[turn]).toBe(1);
  });

  it('is refused for a task without candidates', () => {
    const file = { 'data.name': 'a.jsonl', 'data.sha256': 'a'.repeat(64) };
    expect(() => resolveConfig('gsm8k', { task: 'jsonl', branch: 'choice', ...file }, 'ensem-w2s')).toThrow(
      ConfigurationError,
    );
    expect(() =>
      resolveConfig('gsm8k', { task: 'multiple-choice', branch: 'choice', ...file }, 'ensem-w2s'),
    ).not.toThrow();
  });
});

it('chooses the number of experts on validation problems', async () => {
  // Expert 2 makes the true candidate of the validation problem (its fourth) improbable: the mixture is worse than expert 1 alone.
  const odds = { 'expert-1': [0.25, 4, 4, 9], 'expert-2': [4, 0.25, 4, 0.1] };
  const more = { branch: 'choice', experts: 2, trainProblems: 6, labelled: 0.667, validation: 0.25 };
  const { events } = await played({ odds }, { ...more, size: 'validation' });
  expect(measured(events, 'ensemble')).toEqual({
    'experts better than the reference': 2,
    'experts in the ensemble': 1,
  });
  const { events: all } = await played({ odds }, more);
  expect(measured(all, 'ensemble')['experts in the ensemble']).toBe(2);
});

it('refuses to leave the students no problem without labels', () => {
  expect(() => smallConfig({ labelled: 1 }, 'ensem-w2s')).toThrow(/^labelled: 1 of \d+ training problems leaves none/);
  expect(() => smallConfig({ labelled: 0.5, trainProblems: 1 }, 'ensem-w2s')).toThrow(/^labelled/);
  expect(() => smallConfig({ labelled: 0.5, trainProblems: 2 }, 'ensem-w2s')).not.toThrow();
});

it('refuses a student that is weaker than the experts', () => {
  expect(() => resolveConfig('arithmetic-tiny', { studentRank: 4 }, 'ensem-w2s')).toThrow(ConfigurationError);
});

it('says in a sentence what each stage does', () => {
  const recipe = recipeNamed('ensem-w2s');
  for (const branch of ['generation', 'choice'])
    for (const { what, why } of recipe.stages(smallConfig({ branch }, 'ensem-w2s')))
      for (const text of [what, why]) expect(text).toMatch(/^[A-Z].*\.$/);
});

it('puts all students on a larger model where one is named, and nobody else', async () => {
  const small = { trainProblems: 8, evaluationProblems: 2, experts: 1 };
  const of = (overrides: Record<string, string | number>) =>
    resolveConfig('strategies-tiny', { ...small, ...overrides }, 'ensem-w2s');
  expect(secondModelOf(of({}))).toEqual({
    key: 'studentModel',
    model: 'strategies-0.6m',
    adapters: ['student', 'studentOfTeacher', 'studentOfBagging', 'studentOfGold', 'strong'],
  });
  const alone = of({ studentModel: 'none' });
  expect(secondModelOf(alone)).toBeNull();
  expect(alone).not.toHaveProperty('studentModel');
  // Only the engine tells the models apart: the loop is the same, and more is tested.
  const [one, other] = [new FakeRuntime(), new FakeRuntime()];
  const [first, second] = [await logOf(one, of({}), strategies), await logOf(other, alone, strategies)];
  const more = first.filter(
    (event) =>
      'learner' in event && (event.learner === 'strong' || (/^student/.test(event.learner) && event.iteration === 0)),
  );
  expect(more.flatMap((event) => (event.type === 'evaluation' ? [`${event.learner} ${event.iteration}`] : []))).toEqual(
    ['student 0', 'studentOfTeacher 0', 'studentOfBagging 0', 'studentOfGold 0', 'strong 0', 'strong 1'],
  );
  expect(second.slice(1)).toEqual(first.slice(1).filter((event) => !more.includes(event)));
  // Another task knows no such sibling, so a changed task leaves it out.
  expect(secondModelOf(of({ task: 'arithmetic' }))).toBeNull();
  expect(() => of({ studentModel: 'strategies-0.25m' })).toThrow(/^studentModel: .* is the model of the run already/);
});
