/**
 * Teacher-student preference loop, after TS-Align (Zhang et al. 2024, arXiv 2405.20215). The policy answers every problem K times; a
 * student, a small reward model, picks the best and the worst; a teacher scores these two alone and may turn them round; the policy
 * learns the pairs by DPO, and the student learns the teacher's order by margin ranking. Judged by neither: answers on held-out problems
 * are compared with the untouched model's.
 *
 * Known of the paper: these steps. Not known: K, β, the margin and which policy is DPO's reference; all four are this lab's choices, and
 * settings. Ours as well: the student is an adapter with a head on the policy's base. A fresh head tells nothing apart, so before the
 * first iteration the teacher scores all samples of some problems (`warmupProblems`; a person compares two of each), and these calls
 * count against those it saves. A larger model as the teacher gives the log-probability of a text by the token. The supervised term beside
 * DPO, of which the abstract's readers tell, is left out. A pair that the teacher cannot tell apart is dropped.
 *
 * Names of draws: stream `sample`, iteration 0 in the warm-up and l in iteration l, agent = sample; `order` says which of two answers a
 * person sees first; evaluation as everywhere.
 */
import type { Cast, Episode, GroupKey, Judged, Measure, Measured } from '../events';
import { UNUSED, type Fate } from '../society/fate';
import { NO_PAIR, contrastsOf, pairOf, pairsOf, REFRESHED, STUDENT, type Screening } from '../society/preferences';
import type { Selection } from '../society/selection';
import type { Ungraded } from '../tasks/types';
import { baseAgent, baseLearner, methodsOf } from './casts';
import {
  compareWith,
  judge,
  meanLength,
  rewardsOf,
  screen,
  teach,
  TEACHER,
  verdictBy,
  winsOver,
} from './preferenceJudges';
import { samples, type Sampling } from './preferenceSamples';
import { check, PRESETS, SETTINGS, warmupSize, type Config } from './preferenceSettings';
import { PREFERENCE_STAGES } from './stages';
import { beginIteration, createAdapters, evaluation, finetune } from './steps';
import type { Draft, Need, Recipe, RunContext, Work } from './types';

const POLICY = { adapter: 'policy', role: 2, slot: 0 };
const REWARD_MODEL = { adapter: STUDENT, role: 3, slot: 0, head: true as const };
/** An adapter of the larger model that never learns: the model as it is. */
const LARGER_MODEL = { adapter: TEACHER, role: 4, slot: 0 };

function cast({ samples: K }: Config): Cast {
  const shape = { agents: K, rounds: 1 };
  const labels = (prefix: string): [string, Record<string, string>] => [
    prefix,
    { single: 'one sample', majority: `majority of ${K}` },
  ];
  return {
    agents: [
      baseAgent(),
      { id: 'policy', label: 'policy', role: 'policy', seat: null, adapter: POLICY.adapter },
      { id: STUDENT, label: 'student', role: 'student', seat: null, adapter: REWARD_MODEL.adapter },
    ],
    learners: [
      baseLearner(),
      { key: 'policy', label: 'Preference loop', name: 'the policy', agents: ['policy', STUDENT] },
    ],
    methods: [
      ...methodsOf('base', { single: 'single', majority: 'majority' }, labels('Untouched, '), shape),
      ...methodsOf('policy', { single: 'policySingle', majority: 'policyMajority' }, labels('Policy, '), shape),
    ],
    compare: [
      ['policySingle', 'single'],
      ['policyMajority', 'majority'],
    ],
  };
}

/** The better and the worse turn of the pair; in the warm-up the turns of the teacher's highest and lowest score. */
function fate(episode: Episode, { teacher }: Pick<Config, 'teacher'>): Fate[] {
  const { purpose, learner, turns } = episode;
  if (purpose === 'evaluation') return turns.map(() => ({ to: 'unused', why: UNUSED.heldOut }));
  if (learner === 'base') return turns.map((_, at) => warmUpFate(episode, at, verdictBy(teacher)));
  const pair = pairOf(episode, verdictBy(teacher));
  return turns.map((_, at): Fate => {
    const adapter = POLICY.adapter;
    if ('none' in pair) return { to: 'dropped', adapter, why: pair.none };
    const how = pair.swapped ? 'the teacher turned the student’s order round' : 'student and teacher agree';
    if (at === pair.chosen) return { to: 'dataset', adapter, kind: 'chosen', why: `better of the pair: ${how}` };
    if (at === pair.rejected) return { to: 'dataset', adapter, kind: 'rejected', why: `worse of the pair: ${how}` };
    return { to: 'dropped', adapter, why: 'neither best nor worst for the student' };
  });
}

function warmUpFate({ problem, verdicts }: Episode, at: number, teacher: string): Fate {
  const adapter = REWARD_MODEL.adapter;
  const pairs = contrastsOf([{ problem, verdicts } as Episode], teacher).examples;
  if (pairs.length === 0) return { to: 'dropped', adapter, why: NO_PAIR.even };
  if (pairs.some(({ turn }) => turn === at))
    return { to: 'dataset', adapter, kind: 'chosen', why: 'the teacher scores it highest' };
  if (pairs.some(({ rejected }) => rejected?.turn === at))
    return { to: 'dataset', adapter, kind: 'rejected', why: 'the teacher scores it lowest' };
  return { to: 'dropped', adapter, why: 'neither highest nor lowest for the teacher' };
}

function cost(config: Config): Need {
  const { samples: K, iterations, trainProblems, evaluationProblems, chunk, adapter } = config;
  const first = warmupSize(config);
  const test = (iteration: number): Work => {
    const problems = evaluationProblems;
    return { kind: 'episodes', iteration, purpose: 'evaluation', problems, calls: problems * K };
  };
  const sampled = (iteration: number, problems: number): Work => {
    return { kind: 'episodes', iteration, purpose: 'train', problems, calls: problems * K };
  };
  // Half of the problems are expected to give a pair, which is two texts.
  const learnt = (iteration: number, problems: number): Work => ({
    kind: 'train',
    iteration,
    solve: problems,
    revise: 0,
  });
  const numbers = Array.from({ length: iterations }, (_, l) => l + 1);
  return {
    rows: Math.min(chunk, Math.max(trainProblems, evaluationProblems)) * K,
    seats: K,
    quotes: { others: 0, summarised: false },
    adapters: 2,
    rank: adapter.rank,
    tracks: { solve: 1, revise: 0 },
    work: [
      test(0),
      ...numbers.flatMap((iteration) => [
        ...(iteration === 1 ? [sampled(1, first), learnt(1, first)] : []),
        sampled(iteration, trainProblems),
        learnt(iteration, trainProblems),
        learnt(iteration, trainProblems),
        test(iteration),
      ]),
    ],
  };
}

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime } = context;
  const { beta, margin, teacher, samples: K, reference } = config;
  const heldOut = yield* context.problems('evaluation', config.evaluationProblems, 0, 0);
  const untouched = yield* evaluate(context, 'base', heldOut, 0);
  yield measured(0, 'base', ANSWERS, [{ label: LENGTH, value: meanLength(untouched) }]);
  await createAdapters(runtime, config, [POLICY, REWARD_MODEL, ...(teacher === 'model' ? [LARGER_MODEL] : [])]);

  let problems: readonly Ungraded[] = [];
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    problems = yield* beginIteration(context, iteration, problems);
    const before = iteration === 1 ? yield* warmUp(context, problems) : 0;

    // "Sample K responses; the student picks the best and the worst; the teacher scores the two and swaps them."
    const sampling: Sampling = { purpose: 'train', learner: 'policy', iteration, draws: iteration };
    const screened = (chunk: readonly Episode[], asked: readonly Ungraded[]) => screen(context, chunk, asked);
    const taught = (episode: Episode, asked: readonly Ungraded[]) => teach(context, episode, asked);
    const episodes = yield* samples(context, problems, sampling, screened, taught);
    const { selection, screening } = pairsOf(episodes, verdictBy(teacher));

    // "The policy learns the pairs by DPO."
    const pairs = { selection, episodes };
    const own = reference === 'previous' ? { reference: POLICY.adapter } : {};
    const policy = { ...POLICY, ...pairs, ...own };
    const dpo = { kind: 'dpo', beta } as const;
    yield* finetune(context, { job: `policy/${iteration}`, iteration, datasets: [policy], problems, objective: dpo });

    // "The student learns the teacher's order by margin ranking."
    const student = { ...REWARD_MODEL, ...pairs };
    const rank = { kind: 'rank', margin } as const;
    yield* finetune(context, {
      job: `student/${iteration}`,
      iteration,
      datasets: [student],
      problems,
      objective: rank,
    });
    const agreed = yield* agreement(context, selection, episodes, problems, iteration);

    const answered = yield* evaluate(context, 'policy', heldOut, iteration, untouched);
    const calls = before + 2 * (episodes.length - screening.alike);
    const won = winsOver(context, answered, untouched);
    yield measured(iteration, 'policy', 'pairs', figures(screening, agreed, calls, K * problems.length));
    yield measured(iteration, 'policy', ANSWERS, [
      { label: 'win rate against the untouched model', value: won.wins + won.ties / 2, of: won.n },
      { label: 'ties in that comparison', value: won.ties, of: won.n },
      { label: LENGTH, value: meanLength(answered) },
    ]);
  }
}

/** The teacher scores all samples of some problems, and the student learns from them. Returns how many texts that were. */
async function* warmUp(context: RunContext<Config>, all: readonly Ungraded[]): AsyncGenerator<Draft, number, void> {
  const { margin, teacher, samples: K } = context.config;
  const problems = all.slice(0, warmupSize(context.config));
  const sampling: Sampling = { purpose: 'train', learner: 'base', iteration: 1, draws: 0 };
  const taught = (episode: Episode, asked: readonly Ungraded[]) => teach(context, episode, asked, 'all');
  const episodes = yield* samples(context, problems, sampling, async () => {}, taught);
  const datasets = [{ ...REWARD_MODEL, selection: contrastsOf(episodes, verdictBy(teacher)), episodes }];
  const objective = { kind: 'rank', margin } as const;
  yield* finetune(context, { job: 'warm-up', iteration: 1, datasets, problems, objective });
  // A person compares two texts of a problem, or none where all are alike.
  return teacher === 'human' ? 2 * episodes.filter(({ verdicts }) => verdicts.length > 0).length : problems.length * K;
}

/** How many pairs the refreshed student orders as the teacher did. Its scores become an event, which a resumed run reads. */
async function* agreement(
  context: RunContext<Config>,
  { examples }: Selection,
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, number, void> {
  if (examples.length === 0) return 0;
  const turns = examples.flatMap(({ problem, turn, rejected }) => [
    { problem, turn },
    { problem, turn: rejected?.turn ?? turn },
  ]);
  const scores = await rewardsOf(context, REFRESHED, turns, episodes, problems);
  const from: GroupKey = { purpose: 'train', learner: 'policy', iteration };
  yield { type: 'judged', iteration, by: REFRESHED, from, turns, scores } satisfies Judged;
  return examples.filter((_, at) => (scores[2 * at] as number) > (scores[2 * at + 1] as number)).length;
}

const ANSWERS = 'held-out answers';
const LENGTH = 'mean tokens';

/** What became of the student's picks. @param texts those that a teacher of all samples would score */
function figures({ kept, swapped, even }: Screening, agreed: number, calls: number, texts: number): Measure[] {
  const decided = kept + swapped;
  return [
    { label: 'student agrees with the teacher before its update', value: kept, of: decided },
    { label: 'student agrees with the teacher after its update', value: agreed, of: decided },
    { label: 'swapped by the teacher', value: swapped, of: decided },
    { label: 'without a difference for the teacher', value: even, of: decided + even },
    { label: 'texts that the teacher scored', value: calls },
    { label: 'teacher calls saved', value: texts - calls, of: texts },
  ];
}

function measured(iteration: number, learner: string, name: string, values: Measure[]): Measured {
  return { type: 'measured', iteration, learner, name, values };
}

/** @param untouched what the untouched model answered, for judges that read it */
async function* evaluate(
  context: RunContext<Config>,
  learner: string,
  problems: readonly Ungraded[],
  iteration: number,
  untouched?: readonly Episode[],
): AsyncGenerator<Draft, Episode[], void> {
  const sampling: Sampling = { purpose: 'evaluation', learner, iteration, draws: 0 };
  const judged = (chunk: readonly Episode[], asked: readonly Ungraded[]) =>
    judge(context, chunk, asked, untouched ?? chunk);
  const compared = async (episode: Episode, asked: readonly Ungraded[]) => {
    if (untouched && context.config.judge === 'human') await compareWith(context, episode, asked, untouched);
  };
  const episodes = yield* samples(context, problems, sampling, judged, compared);
  const [single, majority] = learner === 'base' ? ['single', 'majority'] : ['policySingle', 'policyMajority'];
  yield evaluation(episodes, iteration, { single: single as string, majority: majority as string });
  return episodes;
}

export const preferenceLoop: Recipe<Config> = {
  id: 'preference-loop',
  revision: 1,
  title: 'Preference loop',
  description:
    'A small reward model picks the best and the worst of several answers, a teacher corrects it, and both learn from the pairs.',
  paper: 'after arXiv 2405.20215',
  ungraded: true,
  asksHuman: ({ teacher, judge: by }) => teacher === 'human' || by === 'human',
  usesGold: ({ teacher, judge: by }) => teacher === 'checker' || by === 'checker',
  settings: SETTINGS,
  presets: PRESETS,
  check,
  needs: () => ({ policy: ['training'], [STUDENT]: ['training', 'rewards'] }),
  secondModel: ({ teacherModel }) =>
    teacherModel === undefined ? null : { key: 'teacherModel', model: teacherModel, adapters: [TEACHER] },
  cast,
  stages: () => [...PREFERENCE_STAGES],
  cost,
  ownReference: ({ reference }) => reference === 'previous',
  examples: [
    { kind: 'chosen', roles: ['policy', 'student'], line: 'better answers of pairs' },
    { kind: 'rejected', roles: ['policy', 'student'], line: 'worse answers of pairs' },
  ],
  fate,
  run,
};
