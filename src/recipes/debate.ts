/**
 * Multiagent debate of the untouched model (Du et al. 2023, arXiv 2305.14325), beside the majority of as many samples as the debate has
 * responses and summaries: what reading the others adds to a vote at equal calls. Nothing is learnt: settings of training and the number of
 * iterations change nothing. Who reads whom and saboteurs are as in a society, so that a society with either has its untrained control here: the
 * untouched model's debate beside a society has no saboteur.
 *
 * Names of draws: those of every evaluation (stream `evaluate`, iteration 0). The majority at equal calls takes the draws of further
 * seats in round 1, so its first N samples are the debate's first answers.
 */
import { RUN_LIMITS } from '../engine/limits';
import type { Cast, Episode } from '../events';
import { STREAMS } from '../random';
import { UNUSED, type Fate } from '../society/fate';
import { checkNeeds, KIND_CAN } from './abilities';
import { baseAgent, baseLearner, methodsOf } from './casts';
import type { ConfigOf } from './config';
import { ConfigurationError } from './errors';
import { presetsFor } from './presets';
import { integer } from './readers';
import { summaryRow } from './rows';
import { seatedRuntimes } from './seats';
import { steps, type SettingTable } from './settings';
import { callsOfSociety, summariesOf } from './societyCalls';
import { givenTo, isSaboteur, othersRead } from './societyCast';
import { checkReading, QUESTIONS } from './societyQuestions';
import { untrainedDebateStages } from './stages';
import { evaluation, everySeat, holdDebates } from './steps';
import type { Draft, Need, Recipe, RunContext } from './types';

const SETTINGS = {
  agents: {
    reader: integer(2, RUN_LIMITS.agents.max),
    label: 'Agents',
    symbol: 'N',
    line: 'How many answer and read each other. The untouched model plays all of them.',
    steps: steps(2, 3, 4, 5, 6, 10),
    section: 'main',
    paper: 3,
  },
  rounds: {
    reader: integer(1, RUN_LIMITS.rounds.max),
    label: 'Debate rounds',
    symbol: 'M',
    line: 'From round 2 on, agents revise after reading the others.',
    steps: steps(1, 2, 3, 4, 10),
    section: 'main',
    paper: 2,
  },
  summary: summaryRow(
    'What agents read of the others',
    'A summary by the model, or the responses as they are.',
    'concatenate',
  ),
  reads: QUESTIONS.reads,
  'saboteur.seats': {
    ...QUESTIONS['saboteur.seats'],
    line: 'This many of the last seats state one answer to every problem.',
  },
  'saboteur.says': QUESTIONS['saboteur.says'],
} as const satisfies SettingTable;

type Config = ConfigOf<typeof SETTINGS>;

const PRESETS = presetsFor<Config>('debate', (_, inWords) => ({
  agents: 3,
  rounds: 2,
  iterations: 0,
  ...(inWords && { summary: 'base-model' }),
}));

/** Part of the evaluation in which nobody reads anybody. */
const SAMPLES = 'samples';
const BASE = { agent: 'base', adapter: null };

function cast(config: Config): Cast {
  const { agents } = config;
  const calls = callsOfSociety(config);
  const words = { single: 'Single sample', majority: `Majority of ${agents}`, debate: 'Debate' };
  return {
    agents: [baseAgent()],
    learners: [baseLearner()],
    methods: [
      ...methodsOf('base', { single: 'single', majority: 'majority', debate: 'debate' }, ['', words], config),
      { key: 'majorityEqualCalls', label: `Majority of ${calls}`, learner: 'base', answer: 'majority-equal', calls },
    ],
    compare: [
      ['debate', 'majorityEqualCalls'],
      ['debate', 'majority'],
      ['majority', 'single'],
    ],
  };
}

function fate({ turns }: Episode): Fate[] {
  return turns.map(() => ({ to: 'unused', why: UNUSED.base }));
}

function cost(config: Config): Need {
  const { rounds, evaluationProblems, chunk, adapter } = config;
  const samples = callsOfSociety(config);
  const calls = evaluationProblems * 2 * samples;
  return {
    rows: Math.min(chunk, evaluationProblems) * samples,
    seats: samples,
    quotes: { others: rounds > 1 ? othersRead(config) : 0, summarised: summariesOf(config) > 0 },
    adapters: 1,
    rank: adapter.rank,
    tracks: { solve: 1, revise: 0 },
    work: [
      {
        kind: 'episodes',
        iteration: 0,
        purpose: 'evaluation',
        problems: 2 * evaluationProblems,
        calls,
        table: calls / 2,
      },
    ],
  };
}

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config } = context;
  const { agents, rounds, summary, reads, evaluationProblems } = config;
  const problems = yield* context.problems('evaluation', evaluationProblems, 0, 0);
  const step = { purpose: 'evaluation', iteration: 0, problems, stream: STREAMS.evaluate } as const;
  const players = (seats: number) => ({
    learner: 'base',
    first: everySeat(seats, BASE),
    later: everySeat(seats, BASE),
  });

  const seats = everySeat(agents, BASE).map((player, seat) => ({ ...player, ...givenTo(seat, config) }));
  const debated = { ...step, rounds, summaries: summary === 'base-model', ...(reads && { reads }) };
  const debates = yield* holdDebates(context, { learner: 'base', first: seats, later: seats }, debated);
  // As many samples as the debate has responses and summaries, and their majority.
  const samples = players(callsOfSociety(config));
  const sampled = yield* holdDebates(context, samples, { ...step, rounds: 1, part: SAMPLES });
  yield evaluation(debates, 0, { single: 'single', majority: 'majority', debate: 'debate' }, [
    { method: 'majorityEqualCalls', episodes: sampled },
  ]);
}

/** @throws ConfigurationError for settings that do not go together */
function check(config: Config): void {
  const { agents, rounds, reads, saboteur } = config;
  if ((saboteur?.seats ?? 0) >= agents)
    throw new ConfigurationError('saboteur.seats', `${saboteur?.seats} of ${agents} agents leave nobody to answer`);
  checkReading({ rounds, reads, saboteur });
  // What a saboteur states is given, and read.
  for (const { seat, runtime } of seatedRuntimes(config))
    if (seat !== null && isSaboteur(seat, config))
      checkNeeds('debate', `seat ${seat + 1}`, ['scores'], runtime.kind, KIND_CAN[runtime.kind]);
}

export const debate: Recipe<Config> = {
  id: 'debate',
  revision: 1,
  title: 'Multiagent debate',
  description: 'The untouched model debates with itself, beside the majority of as many samples. Nothing is learnt.',
  paper: 'arXiv 2305.14325',
  settings: SETTINGS,
  presets: PRESETS,
  check,
  cast,
  stages: untrainedDebateStages,
  cost,
  fate,
  run,
};
