/**
 * Majority finetuning: one model answers every problem K times, the majority's answer becomes the label, and the model is finetuned on
 * the samples that gave it (Huang et al. 2022, "Large Language Models Can Self-Improve", arXiv 2210.11610, without its mixed prompt
 * formats; the single-agent comparison of arXiv 2501.05707). Sampling, labels and test draws are those of multiagent finetuning's
 * comparison, so that both can be compared problem by problem.
 *
 * Names of draws: stream `baselineSample`, iteration l, agent = sample; evaluation as everywhere.
 */
import { RUN_LIMITS } from '../engine/limits';
import type { Cast, Episode } from '../events';
import { STREAMS } from '../random';
import { joins } from '../society/episode';
import { UNUSED, type Fate } from '../society/fate';
import { DROPPED, pseudoLabel, select } from '../society/selection';
import type { Equal } from '../society/vote';
import type { Ungraded } from '../tasks/types';
import { baseAgent, baseLearner, methodsOf, singleAgent, singleLearner } from './casts';
import type { ConfigOf } from './config';
import { ConfigurationError } from './errors';
import { loopWork } from './need';
import { presetsFor } from './presets';
import { integer } from './readers';
import { minimumVotesRow, startFromRow } from './rows';
import { steps, type SettingTable } from './settings';
import { SAMPLING_STAGES } from './stages';
import { beginIteration, createAdapters, evaluation, everySeat, finetune, holdDebates, labelsOf } from './steps';
import type { Draft, Need, Recipe, RunContext } from './types';

const SETTINGS = {
  samples: {
    reader: integer(1, RUN_LIMITS.agents.max),
    label: 'Samples',
    symbol: 'K',
    line: 'How often the model answers each problem before it votes.',
    steps: steps(2, 3, 5, 8, 16),
    section: 'main',
    paper: 32,
  },
  minimumVotes: minimumVotesRow('With fewer agreeing samples the model does not learn from the problem.'),
  startFrom: startFromRow('model', 'The model as it is now, or the untouched model again.', 'current'),
} as const satisfies SettingTable;

export type Config = ConfigOf<typeof SETTINGS>;

const PRESETS = presetsFor<Config>('majority-finetuning', () => ({
  samples: 3,
  minimumVotes: 2,
  startFrom: 'current',
}));

const LEARNING = { adapter: 'single', role: 2, slot: 0 };
const METHODS: Readonly<Record<string, { single: string; majority: string }>> = {
  base: { single: 'single', majority: 'majority' },
  single: { single: 'singleAgentSingle', majority: 'singleAgentMajority' },
};

function cast({ samples }: Config): Cast {
  const shape = { agents: samples, rounds: 1 };
  return {
    agents: [baseAgent(), singleAgent()],
    learners: [baseLearner(), singleLearner()],
    methods: [
      ...methodsOf(
        'base',
        METHODS['base'],
        ['', { single: 'Single sample', majority: `Majority of ${samples}` }],
        shape,
      ),
      ...methodsOf(
        'single',
        METHODS['single'],
        ['Finetuned, ', { single: 'one sample', majority: `majority of ${samples}` }],
        shape,
      ),
    ],
    compare: [
      ['singleAgentMajority', 'majority'],
      ['singleAgentSingle', 'single'],
      ['singleAgentSingle', 'majority'],
    ],
  };
}

/** A sample is learnt when it gave the majority's answer. */
function fate(episode: Episode, { minimumVotes }: Pick<Config, 'minimumVotes'>, equal: Equal): Fate[] {
  const verdict = pseudoLabel(episode, minimumVotes);
  return episode.turns.map((_, at): Fate => {
    if (episode.purpose === 'evaluation') return { to: 'unused', why: UNUSED.heldOut };
    if ('rejected' in verdict) return { to: 'dropped', adapter: 'single', why: verdict.rejected };
    return joins(episode, verdict.label, at, equal)
      ? { to: 'dataset', adapter: 'single', kind: 'M', why: 'answer equals the majority' }
      : { to: 'dropped', adapter: 'single', why: DROPPED.differs };
  });
}

function cost({ samples, iterations, trainProblems, evaluationProblems, chunk, adapter }: Config): Need {
  const test = { problems: evaluationProblems, calls: evaluationProblems * samples };
  const answered = { problems: trainProblems, calls: trainProblems * samples };
  return {
    rows: Math.min(chunk, Math.max(trainProblems, evaluationProblems)) * samples,
    seats: samples,
    quotes: { others: 0, summarised: false },
    adapters: 1,
    rank: adapter.rank,
    tracks: { solve: 1, revise: 0 },
    work: loopWork(iterations, answered, { solve: answered.calls / 2, revise: 0 }, () => test),
  };
}

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime, task } = context;
  const { minimumVotes, startFrom } = config;
  const heldOut = yield* context.problems('evaluation', config.evaluationProblems, 0, 0);
  yield* evaluate(context, 'base', heldOut, 0);
  await createAdapters(runtime, config, [LEARNING]);

  let problems: readonly Ungraded[] = [];
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    problems = yield* beginIteration(context, iteration, problems);

    // K samples of every problem, and their majority.
    const sampling = { purpose: 'train', iteration, problems, rounds: 1, stream: STREAMS.baselineSample } as const;
    const episodes = yield* holdDebates(context, playersOf('single', config), sampling);
    yield labelsOf(episodes, iteration, minimumVotes);

    // The samples that gave the majority's answer, and finetuning on them.
    const fates = episodes.map((episode) => fate(episode, config, task.equal));
    const selection = select(episodes, fates, LEARNING.adapter, ['M']);
    const datasets = [{ ...LEARNING, selection, episodes }];
    yield* finetune(context, { job: `finetune/${iteration}`, iteration, datasets, problems, startFrom });

    yield* evaluate(context, 'single', heldOut, iteration);
  }
}

async function* evaluate(
  context: RunContext<Config>,
  learner: string,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  const step = { purpose: 'evaluation', iteration, problems, rounds: 1, stream: STREAMS.evaluate } as const;
  const episodes = yield* holdDebates(context, playersOf(learner, context.config), step);
  yield evaluation(episodes, iteration, METHODS[learner] as { single: string; majority: string });
}

function playersOf(learner: string, { samples }: Config) {
  const seats = everySeat(samples, { agent: learner, adapter: learner === 'base' ? null : learner });
  return { learner, first: seats, later: seats };
}

function check({ samples, minimumVotes }: Config): void {
  if (minimumVotes > samples)
    throw new ConfigurationError('minimumVotes', `${minimumVotes} of ${samples} samples can never agree`);
}

export const majorityFinetuning: Recipe<Config> = {
  id: 'majority-finetuning',
  revision: 1,
  title: 'Majority finetuning',
  description:
    'One model answers each problem several times and is finetuned on the samples that gave the majority’s answer.',
  paper: 'arXiv 2210.11610',
  settings: SETTINGS,
  presets: PRESETS,
  check,
  cast,
  stages: () => [...SAMPLING_STAGES],
  cost,
  examples: [{ kind: 'M', roles: ['single model'], label: 'D', line: 'answers that equal the majority' }],
  fate,
  run,
};
