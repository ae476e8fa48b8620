/**
 * What recipes share that play a society of multiagent finetuning and then make one model of it: the society's settings and loop, and the
 * test of a model that answers alone. It is sampled as often as the society has generations, so that society, vote and model can be
 * compared at equal calls.
 */
import type { Agent, Cast, Method } from '../events';
import { STREAMS } from '../random';
import type { Player } from '../society/debate';
import type { Ungraded } from '../tasks/types';
import { ConfigurationError } from './errors';
import { callsOfSociety } from './societyCalls';
import { cast, cost, EQUAL_CALLS, type Variant } from './societyCast';
import { check, type Config } from './societySettings';
import { holdDebates, majorityOfFirst } from './steps';
import type { Draft, Need, RunContext, Work } from './types';

/** The society that is played. */
export const SOCIETY: Variant = {
  id: 'multiagent-finetuning',
  title: 'Multiagent finetuning',
  description: '',
  paper: 'arXiv 2501.05707',
  learner: 'Society finetuning',
  name: 'the society',
  adapter: (role, seat) => `${role}-${seat}`,
  data: 'own',
  label: 'vote',
  equalCalls: true,
};

/** A model that answers alone. */
export interface Alone {
  /** Key of the learner; its methods are called after it. */
  key: string;
  /** In tables. */
  label: string;
  /** Within a sentence. */
  name: string;
  /** Who speaks for it. */
  agents: Agent[];
}

/** Keys of its methods. */
export const methodsAlone = (key: string) => ({
  single: `${key}Single`,
  majority: `${key}Majority`,
  equal: `${key}EqualCalls`,
});

/** The society's cast and the models that are made of it. */
export function castWith(config: Config, models: readonly Alone[]): Cast {
  const calls = callsOfSociety(config);
  const society = cast(SOCIETY, config);
  const methods = models.flatMap(({ key, label }): Method[] => {
    const { single, majority, equal } = methodsAlone(key);
    return [
      { key: single, label: `${label}, one sample`, learner: key, answer: 'single', calls: 1 },
      {
        key: majority,
        label: `${label}, majority of ${config.agents}`,
        learner: key,
        answer: 'majority',
        calls: config.agents,
      },
      { key: equal, label: `${label}, majority of ${calls}`, learner: key, answer: EQUAL_CALLS.answer, calls },
    ];
  });
  return {
    agents: [...society.agents, ...models.flatMap(({ agents }) => agents)],
    learners: [
      ...society.learners,
      ...models.map(({ key, label, name, agents }) => ({ key, label, name, agents: agents.map(({ id }) => id) })),
    ],
    methods: [...society.methods, ...methods],
    compare: [
      ...models.flatMap(({ key }): [string, string][] => {
        const { single, equal } = methodsAlone(key);
        return [
          [equal, 'societyDebate'],
          [equal, EQUAL_CALLS.base],
          [single, 'single'],
        ];
      }),
      ['societyDebate', EQUAL_CALLS.base],
      ...society.compare,
    ],
  };
}

/**
 * The society's cost and what comes after it.
 * @param adapters that are held beside the society's
 * @param work after the last iteration, the tests of the models apart
 */
export function costWith(
  config: Config,
  { models, adapters, rank, work }: { models: number; adapters: number; rank: number; work: Work[] },
): Need {
  const need = cost(SOCIETY, config);
  const { iterations: iteration, evaluationProblems } = config;
  const tests = models * evaluationProblems;
  const calls = tests * callsOfSociety(config);
  return {
    ...need,
    adapters: need.adapters + adapters,
    rank: Math.max(need.rank, rank),
    work: [...need.work, ...work, { kind: 'episodes', iteration, purpose: 'evaluation', problems: tests, calls }],
  };
}

/** A model's test: as many samples as the society has generations. @param speakers take turns at the seats */
export async function* testAlone(
  context: RunContext<Config>,
  key: string,
  speakers: readonly Player[],
  problems: readonly Ungraded[],
): AsyncGenerator<Draft, void, void> {
  const { agents, iterations: iteration } = context.config;
  const calls = callsOfSociety(context.config);
  const seats = Array.from({ length: calls }, (_, seat) => speakers[seat % speakers.length] as Player);
  const step = { purpose: 'evaluation', iteration, problems, rounds: 1, stream: STREAMS.evaluate } as const;
  const episodes = yield* holdDebates(context, { learner: key, first: seats, later: seats }, step);
  const { single, majority, equal } = methodsAlone(key);
  const methods = [
    majorityOfFirst(context, single, episodes, 1),
    majorityOfFirst(context, majority, episodes, agents),
    majorityOfFirst(context, equal, episodes, calls),
  ];
  const group = { purpose: 'evaluation', learner: key, iteration } as const;
  yield { type: 'evaluate', iteration, learner: key, group, methods };
}

/** @throws ConfigurationError for settings that do not go together */
export function checkAfter(config: Config): void {
  check(config);
  if (config.iterations < 1)
    throw new ConfigurationError('iterations', 'there is no society before the first iteration; use at least 1');
}
