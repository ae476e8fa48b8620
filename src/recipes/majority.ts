/**
 * Self-consistency (Wang et al. 2022, arXiv 2203.11171) with as many generations as a society spends: the untouched model answers K times
 * and votes. K counts every response of a debate of N agents in M rounds, and the summaries where a model writes them: N + N(M − 1), or
 * N + 2N(M − 1). Nothing is learnt: settings of training and the number of iterations change nothing.
 *
 * Names of draws: those of every evaluation (stream `evaluate`, iteration 0, round 1, agent = sample). So the first N samples are the first
 * answers of every recipe that debates.
 */
import { RUN_LIMITS } from '../engine/limits';
import type { Cast, Episode } from '../events';
import { STREAMS } from '../random';
import { UNUSED, type Fate } from '../society/fate';
import { baseAgent, baseLearner } from './casts';
import type { ConfigOf } from './config';
import { presetsFor } from './presets';
import { integer } from './readers';
import { summaryRow } from './rows';
import { steps, type SettingTable } from './settings';
import { callsOfSociety } from './societyCalls';
import { UNTRAINED_SAMPLING_STAGES } from './stages';
import { everySeat, holdDebates, majorityOfFirst } from './steps';
import type { Draft, Need, Recipe, RunContext } from './types';

const SETTINGS = {
  agents: {
    reader: integer(1, RUN_LIMITS.agents.max),
    label: 'Agents',
    symbol: 'N',
    line: 'Agents of the society whose number of generations is spent here on samples.',
    steps: steps(2, 3, 4, 5, 6, 10),
    section: 'main',
    paper: 3,
  },
  rounds: {
    reader: integer(1, RUN_LIMITS.rounds.max),
    label: 'Debate rounds',
    symbol: 'M',
    line: 'Rounds of the society whose number of generations is spent here on samples.',
    steps: steps(1, 2, 3, 4, 10),
    section: 'main',
    paper: 2,
  },
  summary: summaryRow(
    'What the society’s agents read',
    'Summaries by the model count as generations, so there are as many samples more.',
    'base-model',
  ),
} as const satisfies SettingTable;

type Config = ConfigOf<typeof SETTINGS>;

const PRESETS = presetsFor<Config>('majority', (_, inWords) => ({
  agents: 3,
  rounds: 2,
  iterations: 0,
  ...(inWords && { summary: 'base-model' }),
}));

function cast(config: Config): Cast {
  const calls = callsOfSociety(config);
  const base = { learner: 'base' };
  return {
    agents: [baseAgent()],
    learners: [baseLearner()],
    methods: [
      { ...base, key: 'single', label: 'Single sample', answer: 'single', calls: 1 },
      { ...base, key: 'majority', label: `Majority of ${config.agents}`, answer: 'majority', calls: config.agents },
      { ...base, key: 'majorityEqualCalls', label: `Majority of ${calls}`, answer: 'majority-equal', calls },
    ],
    compare: [
      ['majorityEqualCalls', 'majority'],
      ['majority', 'single'],
    ],
  };
}

function fate({ turns }: Episode): Fate[] {
  return turns.map(() => ({ to: 'unused', why: UNUSED.base }));
}

function cost(config: Config): Need {
  const { evaluationProblems, chunk, adapter } = config;
  const seats = callsOfSociety(config);
  const calls = evaluationProblems * seats;
  return {
    rows: Math.min(chunk, evaluationProblems) * seats,
    seats,
    quotes: { others: 0, summarised: false },
    adapters: 1,
    rank: adapter.rank,
    tracks: { solve: 1, revise: 0 },
    work: [{ kind: 'episodes', iteration: 0, purpose: 'evaluation', problems: evaluationProblems, calls }],
  };
}

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { agents, evaluationProblems } = context.config;
  const problems = yield* context.problems('evaluation', evaluationProblems, 0, 0);
  const calls = callsOfSociety(context.config);
  const seats = everySeat(calls, { agent: 'base', adapter: null });
  const step = { purpose: 'evaluation', iteration: 0, problems, rounds: 1, stream: STREAMS.evaluate } as const;
  const episodes = yield* holdDebates(context, { learner: 'base', first: seats, later: seats }, step);
  const methods = [
    majorityOfFirst(context, 'single', episodes, 1),
    majorityOfFirst(context, 'majority', episodes, agents),
    majorityOfFirst(context, 'majorityEqualCalls', episodes, calls),
  ];
  const group = { purpose: 'evaluation', learner: 'base', iteration: 0 } as const;
  yield { type: 'evaluate', iteration: 0, learner: 'base', group, methods };
}

export const majority: Recipe<Config> = {
  id: 'majority',
  revision: 1,
  title: 'Majority at equal calls',
  description: 'The untouched model votes among as many samples as a society spends generations. Nothing is learnt.',
  paper: 'arXiv 2203.11171',
  settings: SETTINGS,
  presets: PRESETS,
  cast,
  stages: () => [...UNTRAINED_SAMPLING_STAGES],
  cost,
  fate,
  run,
};
