/**
 * STaR (Zelikman et al. 2022, "Bootstrapping Reasoning With Reasoning", arXiv 2203.14465): the model answers, answers that are right are
 * kept; where it was wrong it is given the true answer as a hint and asked again, and what then arrives there is kept *without* the hint
 * in its prompt. Finetuning starts from the untouched model in every iteration, as in the official code (`iteration_train.py`). It learns
 * from true answers: what multiagent finetuning does without. Deviations: LoRA instead of full finetuning; the epochs do not grow over
 * iterations; samples at the run's temperature, where the paper decodes greedily, because the embedded model is right on nearly every
 * problem when it decodes greedily (`greedy` turns the paper's way on).
 *
 * Names of draws: stream `baselineSample`, iteration l, round 1 for answers and 2 for answers with a hint; evaluation as everywhere.
 */
import type { Cast, Episode, GroupKey } from '../events';
import { STREAMS } from '../random';
import type { Asking } from '../runtimes/types';
import { checked, openEpisodes, speak } from '../society/episode';
import { UNUSED, type Fate } from '../society/fate';
import { CHECKER } from '../society/prompts';
import { select } from '../society/selection';
import type { Ungraded } from '../tasks/types';
import { baseAgent, baseLearner, singleAgent } from './casts';
import type { ConfigOf } from './config';
import { loopWork } from './need';
import { presetsFor } from './presets';
import { flag } from './readers';
import { startFromRow } from './rows';
import type { SettingTable } from './settings';
import { STAR_STAGES } from './stages';
import { beginIteration, createAdapters, evaluation, everySeat, finetune, holdDebates, playChunks } from './steps';
import type { Draft, Need, Recipe, RunContext } from './types';

const SETTINGS = {
  hints: {
    reader: flag(),
    label: 'Hints',
    line: 'Problems that were answered wrong are asked again with the true answer.',
    section: 'main',
    paper: true,
  },
  greedy: {
    reader: flag(),
    label: 'Greedy answers',
    line: 'The most probable token is taken each time. The embedded model then leaves hardly anything to learn.',
    section: 'expert',
    paper: true,
  },
  startFrom: startFromRow('model', 'The untouched model again, or the model as it is now.', 'base'),
} as const satisfies SettingTable;

export type Config = ConfigOf<typeof SETTINGS>;

const PRESETS = presetsFor<Config>('star', () => ({ hints: true, greedy: false, startFrom: 'base' }));

const LEARNING = { adapter: 'single', role: 2, slot: 0 };
const KINDS = ['direct', 'hinted'];

function cast(): Cast {
  return {
    agents: [baseAgent(), { ...singleAgent(), label: 'model', role: 'model' }],
    learners: [baseLearner(), { key: 'star', label: 'STaR', name: 'the model', agents: ['single'] }],
    methods: [
      { key: 'single', label: 'Single sample', learner: 'base', answer: 'single', calls: 1 },
      { key: 'starSingle', label: 'STaR, one sample', learner: 'star', answer: 'single', calls: 1 },
    ],
    compare: [['starSingle', 'single']],
  };
}

/** Right without a hint: direct. Right only with one: hinted, learnt under the prompt without it. */
function fate(episode: Episode): Fate[] {
  const { purpose, turns, verdicts } = episode;
  return turns.map(({ kind }, at): Fate => {
    if (purpose === 'evaluation') return { to: 'unused', why: UNUSED.heldOut };
    const verdict = verdicts.find(({ by, of }) => by === CHECKER && of.includes(at));
    const right = verdict?.scores?.[verdict.of.indexOf(at)] === 1;
    const hinted = kind === 'hint';
    if (!right)
      return { to: 'dropped', adapter: 'single', why: hinted ? 'wrong even with the hint' : 'answer is wrong' };
    return hinted
      ? {
          to: 'dataset',
          adapter: 'single',
          kind: 'hinted',
          why: 'right with the hint, learnt without it',
          prompt: 0,
        }
      : { to: 'dataset', adapter: 'single', kind: 'direct', why: 'answer is right' };
  });
}

function cost({ iterations, trainProblems, evaluationProblems, hints, chunk, adapter }: Config): Need {
  const test = { problems: evaluationProblems, calls: evaluationProblems };
  // Half of the problems are asked again, and half of those end up right.
  const calls = Math.round(trainProblems * (hints ? 1.5 : 1));
  return {
    rows: Math.min(chunk, Math.max(trainProblems, evaluationProblems)),
    seats: 1,
    quotes: { others: 0, summarised: false },
    adapters: 1,
    rank: adapter.rank,
    tracks: { solve: 1, revise: 0 },
    work: loopWork(iterations, { problems: trainProblems, calls }, { solve: calls / 2, revise: 0 }, () => test),
  };
}

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime } = context;
  const { startFrom } = config;
  const heldOut = yield* context.problems('evaluation', config.evaluationProblems, 0, 0);
  yield* evaluate(context, 'base', heldOut, 0);
  await createAdapters(runtime, config, [LEARNING]);

  let problems: readonly Ungraded[] = [];
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    problems = yield* beginIteration(context, iteration, problems);

    // "Generate rationales; keep those with the right answer; rationalise the others; keep those that arrive at it."
    const episodes = yield* rationales(context, problems, iteration);
    const selection = select(episodes, episodes.map(fate), LEARNING.adapter, KINDS);

    // "Finetune the original model on what was kept."
    const datasets = [{ ...LEARNING, selection, episodes }];
    yield* finetune(context, { job: `finetune/${iteration}`, iteration, datasets, problems, startFrom });

    yield* evaluate(context, 'star', heldOut, iteration);
  }
}

/** Answers, and where they are wrong answers with a hint, in chunks; one event a problem. */
async function* rationales(
  context: RunContext<Config>,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, Episode[], void> {
  const { task, config, gold = new Map<number, string>() } = context;
  const group: GroupKey = { purpose: 'train', learner: 'star', iteration };
  const sampling = config.greedy ? { sampling: { temperature: 0 } } : {};
  const turn = (kind: string, layer: number) => (episode: Episode) => ({
    call: kind,
    kind,
    agent: 'single',
    adapter: LEARNING.adapter,
    seat: 0,
    layer,
    parents: layer === 0 ? [] : [0],
    draw: { stream: STREAMS.baselineSample, iteration, agent: 0, problem: episode.problem, round: layer + 1 },
    ...sampling,
  });
  const truth = ({ problem }: Episode) => gold.get(problem) ?? '';
  const play = async (chunk: readonly Ungraded[], asking: Asking): Promise<Episode[]> => {
    const episodes = openEpisodes(group, chunk);
    await speak(asking, task, chunk, episodes, (episode) => [turn('answer', 0)(episode)]);
    const wrong = new Set(
      episodes.filter((episode) => checked(episode, [0], truth(episode), task.equal).scores?.[0] === 0),
    );
    if (config.hints) {
      await speak(asking, task, chunk, episodes, (episode) => (wrong.has(episode) ? [turn('hint', 1)(episode)] : []));
      for (const episode of wrong) checked(episode, [1], truth(episode), task.equal);
    }
    return episodes;
  };
  const held: Episode[] = [];
  for await (const episodes of playChunks(context, problems, config.hints, play)) {
    held.push(...episodes);
    yield* episodes;
  }
  return held;
}

async function* evaluate(
  context: RunContext<Config>,
  learner: string,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  const base = learner === 'base';
  const seats = everySeat(1, base ? { agent: 'base', adapter: null } : { agent: 'single', adapter: LEARNING.adapter });
  const step = { purpose: 'evaluation', iteration, problems, rounds: 1, stream: STREAMS.evaluate } as const;
  const episodes = yield* holdDebates(context, { learner, first: seats, later: seats }, step);
  yield evaluation(episodes, iteration, { single: base ? 'single' : 'starSingle' });
}

export const star: Recipe<Config> = {
  id: 'star',
  revision: 1,
  title: 'STaR',
  description:
    'One model learns from its own right answers, and from those that it finds with the true answer as a hint.',
  paper: 'arXiv 2203.14465',
  usesGold: true,
  settings: SETTINGS,
  presets: PRESETS,
  cast,
  stages: () => [...STAR_STAGES],
  cost,
  examples: [
    { kind: 'direct', roles: ['model'], line: 'right answers' },
    { kind: 'hinted', roles: ['model'], line: 'right answers with the hint, learnt without it' },
  ],
  fate,
  run,
};
