/** The preference loop on a scripted runtime: who picks what, what the teacher makes of it, and every figure, by hand. */
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { recipeNamed } from '../../src/recipes';
import {
  isTurned,
  pickOf,
  RecordedJudge,
  type HumanJudge,
  type Pick,
  type PickQuestion,
} from '../../src/recipes/human';
import { resolveConfig } from '../../src/recipes/resolve';
import { secondModelOf } from '../../src/recipes/secondModel';
import { runRecipe, usesGold } from '../../src/recipes/run';
import { needOf } from '../../src/recipes/work';
import type { Answer, Question, ScoreQuestion } from '../../src/runtimes/types';
import { REFRESHED, STUDENT, VOTES } from '../../src/society/preferences';
import { CHECKER } from '../../src/society/prompts';
import { arithmetic } from '../../src/tasks/arithmetic';
import type { Problem, Task } from '../../src/tasks/types';
import { FakeRuntime, logOf, of } from './fakeRuntime';

const answerOf = (text: string): Answer => ({ text, finish: 'stop', tokens: text === '' ? 0 : text.length });

/** Problems 0..3 for training and 100..103 held out; the true answer is always 7. */
const task: Task = {
  ...arithmetic,
  problems: (split, count) =>
    Array.from({ length: count }, (_, at): Problem => {
      const id = split === 'train' ? at : 100 + at;
      return { id, question: `problem ${id}`, gold: '7' };
    }),
};

/** Answers of the three samples by problem, of the policy in training and of both on held-out problems. */
const TRAINING: Record<number, string[]> = {
  0: ['#7', '#8', '#7'], // student: best 0, worst 1 → right over wrong: kept
  1: ['#8', '#7', '#9'], // student: best 0, worst 1 → wrong over right: swapped
  2: ['#8', 'mumble', '#8'], // student: best 0, worst 1 → both wrong, one unreadable: even
  3: ['#7', '#7', '#7'], // the same text three times: all scores equal
};
const UNTOUCHED: Record<number, string[]> = {
  100: ['#7', '#7', '#7'],
  101: ['#8', '#7', '#7'],
  102: ['#7', '#8', '#8'],
  103: ['#8', 'mumble', ''],
};
const POLICY: Record<number, string[]> = {
  100: ['#7', '#7', '#7'], // the others said 7: both 7, tie
  101: ['#7', '#7', '#7'], // the others said 7: policy 7 over base 8, win
  102: ['#7', '#7', '#7'], // the others said 8: neither said it, tie
  103: ['#7', '#7', '#7'], // the others said nothing readable: tie
};

/** The student scores texts; an update raises the score of 7 over all else. */
class Scripted extends FakeRuntime {
  readonly jobs: string[] = [];

  protected override answer({ at, seat }: Question): Answer {
    const script = at.purpose === 'evaluation' ? (at.learner === 'base' ? UNTOUCHED : POLICY) : TRAINING;
    return answerOf(script[at.problem]?.[seat] ?? '#0');
  }

  override async reward(questions: ScoreQuestion[]): Promise<number[]> {
    this.rewarded.push(questions);
    return questions.map(({ completion, of: about }) => {
      if (about?.by === REFRESHED) return completion === '#7' ? 2 : 1;
      const script = TRAINING[about?.at.problem ?? 0] ?? [];
      if (new Set(script).size === 1) return 0.5;
      return [3, -1, 0][about?.turn ?? 0] as number;
    });
  }

  async score(questions: ScoreQuestion[]): Promise<number[]> {
    return questions.map(({ completion, mean }) => (completion === '#7' ? -2 : -6) / (mean ? completion.length : 1));
  }
}

const config = (overrides: Record<string, string | number> = {}) =>
  resolveConfig(
    'arithmetic-tiny',
    {
      iterations: 1,
      trainProblems: 4,
      evaluationProblems: 4,
      warmupProblems: 2,
      samples: 3,
      chunk: 3,
      'finetune.batchSize': 2,
      ...overrides,
    },
    'preference-loop',
  );

async function played(overrides: Record<string, string | number> = {}) {
  const runtime = new Scripted();
  const events = await logOf(runtime, config(overrides), task);
  return { runtime, events };
}

/** Measures of the iteration, by a short name each. */
const NAMES: Readonly<Record<string, string>> = {
  'student agrees with the teacher before its update': 'agreementBefore',
  'student agrees with the teacher after its update': 'agreementAfter',
  'swapped by the teacher': 'swapped',
  'without a difference for the teacher': 'even',
  'texts that the teacher scored': 'teacherCalls',
  'teacher calls saved': 'saved',
  'win rate against the untouched model': 'winRate',
  'ties in that comparison': 'ties',
  'mean tokens': 'length',
};
const figures = (events: RunEvent[]): Record<string, number[]> =>
  Object.fromEntries(
    of(events, 'measured')
      .filter(({ iteration }) => iteration === 1)
      .flatMap(({ values }) => values)
      .map(({ label, value, of: n }) => [NAMES[label] ?? label, n === undefined ? [value] : [value, n]]),
  );
const training = (events: RunEvent[], learner: string) =>
  of(events, 'episode').filter((episode) => episode.purpose === 'train' && episode.learner === learner);

describe('an iteration', () => {
  it('lets the student pick two of the samples and the teacher score these two alone', async () => {
    const { events } = await played();
    const verdicts = training(events, 'policy').map((episode) => episode.verdicts);
    expect(verdicts[0]).toEqual([
      { by: STUDENT, of: [0, 1, 2], scores: [3, -1, 0], ranking: [0, 2, 1] },
      { by: CHECKER, of: [0, 1], answer: '7', scores: [1, 0], right: true },
    ]);
    expect(verdicts[1]?.[1]).toMatchObject({ of: [0, 1], scores: [0, 1] });
    expect(verdicts[2]?.[1]).toMatchObject({ of: [0, 1], scores: [0, 0] });
    expect(verdicts[3]).toEqual([{ by: STUDENT, of: [0, 1, 2], scores: [0.5, 0.5, 0.5], ranking: [0, 1, 2] }]);
  });

  it('teaches policy and student the same pairs, each by its own rule', async () => {
    const { events, runtime } = await played();
    const [, dpo, rank] = of(events, 'dataset');
    const pairs = [
      { problem: 0, turn: 0, kind: 'chosen', rejected: { problem: 0, turn: 1 } },
      { problem: 1, turn: 1, kind: 'chosen', rejected: { problem: 1, turn: 0 } },
    ];
    expect([dpo?.adapter, dpo?.objective, dpo?.examples]).toEqual(['policy', { kind: 'dpo', beta: 0.1 }, pairs]);
    expect([rank?.adapter, rank?.objective, rank?.examples]).toEqual(['student', { kind: 'rank', margin: 1 }, pairs]);
    expect(runtime.trained.map(({ job }) => job)).toEqual(['warm-up', 'policy/1', 'student/1']);
    const [, policy, student] = runtime.trained.map(({ tracks }) => tracks[0]);
    expect(policy?.reference).toBe('policy');
    expect(student?.reference).toBeUndefined();
    expect(policy?.examples.map(({ completion }) => completion)).toEqual(['#7', '#8', '#7', '#8']);
    expect(policy?.pairs).toEqual([
      { chosen: 0, rejected: 1 },
      { chosen: 2, rejected: 3 },
    ]);
  });

  it('holds the policy to the untouched model where that is the setting', async () => {
    const { runtime } = await played({ reference: 'base' });
    expect(runtime.trained[1]?.tracks[0]?.reference).toBeUndefined();
  });

  it('warms the student up with all that the teacher says of some problems', async () => {
    const { events, runtime } = await played();
    expect(training(events, 'base').map(({ problem, verdicts }) => [problem, verdicts[0]?.scores])).toEqual([
      [0, [1, 0, 1]],
      [1, [0, 1, 0]],
    ]);
    const [warm] = of(events, 'dataset');
    expect(warm?.examples.map(({ problem, turn, rejected }) => [problem, turn, rejected?.turn])).toEqual([
      [0, 0, 1],
      [0, 2, 1],
      [1, 1, 0],
      [1, 1, 2],
    ]);
    expect(runtime.created.map(([name]) => name)).toEqual(['policy', 'student']);
  });

  it('counts agreement, swaps, calls and wins', async () => {
    const { events } = await played();
    // Two pairs: one kept, one swapped. Afterwards 7 scores above 8 in both.
    // Calls: 2 problems × 3 samples in the warm-up, 3 problems × 2 texts; 4 × 3 would be all.
    // Held out: one win, three ties of four.
    expect(figures(events)).toEqual({
      agreementBefore: [1, 2],
      agreementAfter: [2, 2],
      swapped: [1, 2],
      even: [1, 3],
      teacherCalls: [12],
      saved: [0, 12],
      winRate: [2.5, 4],
      ties: [3, 4],
      length: [2],
    });
    const [judged] = of(events, 'judged');
    expect(judged?.by).toBe(REFRESHED);
    expect(judged?.turns).toEqual([
      { problem: 0, turn: 0 },
      { problem: 0, turn: 1 },
      { problem: 1, turn: 1 },
      { problem: 1, turn: 0 },
    ]);
    expect(judged?.scores).toEqual([2, 1, 2, 1]);
    const lengths = of(events, 'measured')[0]?.values;
    // '#7', '#8', '#7', '#8': two tokens each.
    expect(lengths).toEqual([{ label: 'mean tokens', value: 2 }]);
  });

  it('trains nothing where no problem gives a pair', async () => {
    class Alike extends Scripted {
      protected override answer(): Answer {
        return answerOf('#8');
      }
      override async reward(questions: ScoreQuestion[]): Promise<number[]> {
        return questions.map(() => 0);
      }
    }
    const events = await logOf(new Alike(), config(), task);
    expect(of(events, 'dataset').map(({ examples }) => examples.length)).toEqual([0, 0, 0]);
    expect(of(events, 'training-step')).toEqual([]);
    expect(of(events, 'judged')).toEqual([]);
    expect(figures(events)).toMatchObject({ agreementBefore: [0, 0], swapped: [0, 0], even: [0, 0], winRate: [2, 4] });
    expect(events.at(-1)?.type).toBe('run-finished');
  });
});

describe('other teachers and judges', () => {
  it('the vote counts how many samples agree', async () => {
    const { events } = await played({ teacher: 'vote', judge: 'checker' });
    const verdicts = training(events, 'policy').map((episode) => episode.verdicts.find(({ by }) => by === VOTES));
    // Two samples say 7 and one 8; three differ; two say 8 and one is unreadable.
    expect(verdicts.map((verdict) => verdict?.scores)).toEqual([[2, 1], [1, 1], [2, 0], undefined]);
    // The checker: 7 over 8 in problems 101 and 103, 7 twice in the others.
    expect(figures(events)).toMatchObject({
      agreementBefore: [2, 2],
      swapped: [0, 2],
      even: [1, 3],
      winRate: [3, 4],
      ties: [2, 4],
    });
  });

  it('a likelihood is per token of the answer', async () => {
    const { events } = await played({ judge: 'likelihood' });
    // −2/2 against −6/2 in 101 and 103; equal in 100 and 102.
    expect(figures(events)).toMatchObject({ winRate: [3, 4], ties: [2, 4] });
    const [first] = of(events, 'episode').filter(
      ({ learner, purpose }) => purpose === 'evaluation' && learner === 'policy',
    );
    expect(first?.verdicts.at(-1)).toEqual({ by: 'likelihood', of: [0], scores: [-2] });
  });

  it('a larger model scores the two texts by the token, with an adapter that learns nothing', async () => {
    const asked = { teacher: 'model', teacherModel: 'stored:org/large@0f3c', judge: 'checker' };
    const { events, runtime } = await played(asked);
    const verdicts = training(events, 'policy').map((episode) =>
      episode.verdicts.find(({ by }) => by === 'larger model'),
    );
    // Two tokens each of #7 (−2) and #8 (−6), six of mumble (−6), which is worth more by the token than a wrong answer.
    expect(verdicts.map((verdict) => verdict?.scores)).toEqual([[-1, -3], [-3, -1], [-3, -1], undefined]);
    expect(figures(events)).toMatchObject({ agreementBefore: [1, 3], swapped: [2, 3], even: [0, 3] });
    expect(runtime.created.map(([name]) => name)).toEqual(['policy', 'student', 'teacher']);
    expect(runtime.trained.flatMap(({ tracks }) => tracks.map(({ adapter }) => adapter))).not.toContain('teacher');
    expect(secondModelOf(config(asked))).toEqual({
      key: 'teacherModel',
      model: 'stored:org/large@0f3c',
      adapters: ['teacher'],
    });
    expect(secondModelOf(config())).toBeNull();
    expect(usesGold(recipeNamed('preference-loop'), config({ ...asked, judge: 'vote' }))).toBe(false);
  });

  it('true answers are seen by checkers alone', () => {
    const recipe = recipeNamed('preference-loop');
    expect(usesGold(recipe, config())).toBe(true);
    expect(usesGold(recipe, config({ teacher: 'vote', judge: 'likelihood' }))).toBe(false);
  });

  it('warms up on all training problems where it asks for more', async () => {
    const runtime = new FakeRuntime();
    const asked = config({ warmupProblems: 500 });
    const events = await logOf(runtime, asked);
    const warm = of(events, 'episode').filter(({ purpose, learner }) => purpose === 'train' && learner === 'base');
    expect(warm.length).toBe(4);
    const [, first] = needOf(asked).work;
    expect(first).toMatchObject({ purpose: 'train', problems: 4 });
  });

  it.each([
    [{ teacher: 'model' }, /^teacherModel: is none, and the teacher is a model; name one/],
    [{ teacherModel: 'other' }, /^teacherModel: other would not be asked, since the teacher is checker/],
    [{ teacher: 'model', teacherModel: 'arithmetic-0.4m' }, /^teacherModel: .* is the model of the run already/],
    [{ teacher: 'model', teacherModel: 'strategies-0.6m' }, /^teacherModel: .* knows task strategies only/],
    [{ judge: 'checker' }, /^judge: checker is the teacher, .* choose one of vote, likelihood/],
    [{ samples: 2 }, /^judge: vote needs samples=3 or more/],
  ])('%j is refused before the start', (overrides, message) => {
    expect(() => config(overrides as Record<string, string | number>)).toThrow(message);
  });
});

describe('a person', () => {
  /** Prefers 7; sees no difference elsewhere. */
  class Person implements HumanJudge {
    readonly asked: PickQuestion[] = [];
    async pick(pair: PickQuestion): Promise<Pick> {
      this.asked.push(pair);
      const [first, second] = pair.texts.map((text) => text === '#7');
      return first === second ? 'neither' : first ? 'first' : 'second';
    }
  }
  const withPerson = async (overrides: Record<string, string | number>, human: HumanJudge) => {
    const events: RunEvent[] = [];
    const settings = config(overrides);
    const recipe = recipeNamed('preference-loop');
    for await (const event of runRecipe(recipe, { runtime: new Scripted(), task, config: settings, human }))
      events.push(structuredClone(event));
    return events;
  };

  it('compares the student’s two, and in the warm-up the first two that differ', async () => {
    const person = new Person();
    const events = await withPerson({ teacher: 'human' }, person);
    expect(person.asked.map(({ at, question, texts }) => [at.learner, at.problem, question, ...texts])).toEqual([
      ['base', 0, 'problem 0', '#7', '#8'],
      ['base', 1, 'problem 1', '#8', '#7'],
      ['policy', 0, 'problem 0', '#7', '#8'],
      ['policy', 1, 'problem 1', '#8', '#7'],
      ['policy', 2, 'problem 2', '#8', 'mumble'],
    ]);
    const said = training(events, 'policy').map(({ verdicts }) => verdicts.find(({ by }) => by === 'human'));
    expect(said).toEqual([
      { by: 'human', of: [0, 1], scores: [1, 0] },
      { by: 'human', of: [0, 1], scores: [0, 1] },
      { by: 'human', of: [0, 1], scores: [0.5, 0.5] },
      undefined,
    ]);
    // Two texts of each of two problems in the warm-up, two of three problems afterwards.
    expect(figures(events)).toMatchObject({ swapped: [1, 2], even: [1, 3], teacherCalls: [10], saved: [2, 12] });
    const [warm] = of(events, 'dataset');
    expect(warm?.examples.map(({ turn, rejected }) => [turn, rejected?.turn])).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  it('judges held-out answers, equal ones apart', async () => {
    const person = new Person();
    const events = await withPerson({ judge: 'human' }, person);
    // Policy and untouched model both say 7 in 100 and 102; it says 7 over 8 in 101 and 103.
    expect(person.asked.map(({ at, texts }) => [at.learner, at.problem, ...texts])).toEqual([
      ['policy', 101, '#7', '#8'],
      ['policy', 103, '#7', '#8'],
    ]);
    expect(figures(events)).toMatchObject({ winRate: [3, 4], ties: [2, 4] });
    const tested = of(events, 'episode').filter(
      ({ purpose, learner }) => purpose === 'evaluation' && learner === 'policy',
    );
    expect(tested.map(({ verdicts }) => verdicts.at(-1))).toEqual(
      [0.5, 1, 0.5, 1].map((score) => ({ by: 'human', of: [0], scores: [score] })),
    );
  });

  it('is asked once: a resumed run has the picks of its log', async () => {
    const person = new Person();
    const events = await withPerson({ teacher: 'human' }, person);
    for (let cut = 0; cut <= events.length; cut++) {
      const again = new Person();
      const recorded = events.slice(0, cut);
      expect(await withPerson({ teacher: 'human' }, new RecordedJudge(recorded, again))).toEqual(events);
      const known = recorded.flatMap((event) => (event.type === 'episode' ? event.verdicts : []));
      expect(again.asked.length).toBe(5 - known.filter(({ by }) => by === 'human').length);
    }
    await expect(withPerson({ teacher: 'human' }, new RecordedJudge([]))).rejects.toThrow(
      'nobody is there to compare answers to problem 0',
    );
  });

  it('sees either answer first, by a draw', async () => {
    const turned = Array.from({ length: 200 }, (_, problem) =>
      isTurned(3, { purpose: 'train', learner: 'policy', iteration: 1, problem }),
    );
    expect(turned.filter(Boolean).length).toBeGreaterThan(70);
    expect(turned.filter(Boolean).length).toBeLessThan(130);
    expect([pickOf('A', false), pickOf('B', false), pickOf('none', false)]).toEqual(['first', 'second', 'neither']);
    expect([pickOf('A', true), pickOf('B', true), pickOf('none', true)]).toEqual(['second', 'first', 'neither']);
  });
});

it('says what became of every turn', async () => {
  const { events } = await played();
  const recipe = recipeNamed('preference-loop');
  const fates = training(events, 'policy').map((episode) => recipe.fate?.(episode, config(), task.equal) ?? []);
  expect(fates.map((turns) => turns.map((fate) => ('kind' in fate ? fate.kind : fate.to)))).toEqual([
    ['chosen', 'rejected', 'dropped'],
    ['rejected', 'chosen', 'dropped'],
    ['dropped', 'dropped', 'dropped'],
    ['dropped', 'dropped', 'dropped'],
  ]);
  expect(fates[1]?.[0]).toMatchObject({ why: 'worse of the pair: the teacher turned the student’s order round' });
  const warm = training(events, 'base').map((episode) => recipe.fate?.(episode, config(), task.equal) ?? []);
  expect(warm[0]?.map((fate) => ('kind' in fate ? fate.kind : fate.to))).toEqual(['chosen', 'rejected', 'chosen']);
});
