/** Who takes part in a society, and what it costs. */
import type { Agent, Cast, Method } from '../events';
import type { Players } from '../society/debate';
import { baseAgent, baseLearner, letter, methodsOf, singleAgent, singleLearner } from './casts';
import type { Config } from './societySettings';
import { everySeat, type Learning } from './steps';
import type { Need } from './types';

export type Role = 'generator' | 'critic';

/** What tells a society from another. */
export interface Variant {
  id: string;
  title: string;
  description: string;
  paper: string;
  /** The society, within a sentence: "the society". */
  name: string;
  /** Adapter that plays and learns a role at a seat. Several seats may share one. */
  adapter(role: Role, seat: number): string;
  /**
   * Whose examples an adapter learns from: those of the seats that it plays, or those of all seats of its role, dealt at random into as
   * many parts as there are seats.
   */
  data: 'own' | 'dealt';
  /** Where the label of a problem comes from: the society's vote, or the true answer. */
  label: 'vote' | 'gold';
}

/** Words of draws that tell the roles apart. */
export const WORDS = { generator: 0, critic: 1, single: 2 } as const;

export const seatsOf = ({ agents }: Config) => Array.from({ length: agents }, (_, seat) => seat);
/** With one round nobody reads anybody, so there are no critics. */
const rolesOf = ({ rounds }: Config): Role[] => (rounds > 1 ? ['generator', 'critic'] : ['generator']);

/** An adapter that learns, and the seats and roles that it plays. */
export interface Learner extends Learning {
  learner: 'society' | 'single';
  plays: { role: Role; seat: number }[];
}

/** The society's adapters, generators first, and the single model where it is asked for. */
export function learnersOf(variant: Variant, config: Config): Learner[] {
  const learners = new Map<string, Learner>();
  for (const role of rolesOf(config)) {
    for (const seat of seatsOf(config)) {
      const adapter = variant.adapter(role, seat);
      const known = learners.get(adapter);
      if (known) known.plays.push({ role, seat });
      else
        learners.set(adapter, { adapter, role: WORDS[role], slot: seat, learner: 'society', plays: [{ role, seat }] });
    }
  }
  const single: Learner = { adapter: 'single', role: WORDS.single, slot: 0, learner: 'single', plays: [] };
  return [...learners.values(), ...(config.singleAgentBaseline ? [single] : [])];
}

/** Who is tested after an iteration. */
export function evaluatedIn(config: Config, iteration: number): string[] {
  const due = (when: 'every' | 'last' = 'every') => when === 'every' || iteration === config.iterations;
  return [
    ...(due(config.evaluate?.society) ? ['society'] : []),
    ...(config.singleAgentBaseline && due(config.evaluate?.single) ? ['single'] : []),
  ];
}

/** Who plays for a learner: nobody's adapter, the variant's adapters, or one adapter at every seat. */
export function playersOf(variant: Variant, learner: string, config: Config): Players {
  const { agents } = config;
  if (learner !== 'society') {
    const seats = everySeat(agents, { agent: learner, adapter: learner === 'base' ? null : learner });
    return { learner, first: seats, later: seats };
  }
  const seats = (role: Role) =>
    seatsOf(config).map((seat) => ({ agent: variant.adapter(role, seat), adapter: variant.adapter(role, seat) }));
  return { learner, first: seats('generator'), later: seats('critic') };
}

/** Keys of methods, by learner and way of answering. */
export const METHODS: Readonly<Record<string, { single: string; majority: string; debate: string }>> = {
  base: { single: 'single', majority: 'majority', debate: 'debate' },
  single: { single: 'singleAgentSingle', majority: 'singleAgentMajority', debate: 'singleAgentDebate' },
  society: { single: 'societySingle', majority: 'societyMajority', debate: 'societyDebate' },
};

/** Title of the method itself, whose learner is called by what it does. */
const MAFT = 'Multiagent finetuning';

export function cast(variant: Variant, config: Config): Cast {
  const { agents, rounds, singleAgentBaseline: withSingle } = config;
  const society = learnersOf(variant, config)
    .filter(({ learner }) => learner === 'society')
    .map(({ adapter, plays }): Agent => {
      const [{ role = 'generator', seat = 0 } = {}] = plays;
      const roles = new Set(plays.map((one) => one.role));
      const own = plays.length === 1;
      const what = roles.size === 1 ? role : 'shared model';
      return {
        id: adapter,
        label: own ? `${role} ${letter(seat)}` : what,
        role: what,
        seat: own ? seat : null,
        adapter,
      };
    });
  const society3 = { single: 'one sample', majority: 'majority of generators', debate: 'debate' };
  const learners = withSingle ? ['base', 'single', 'society'] : ['base', 'society'];
  const words: Record<string, [string, Record<string, string>]> = {
    base: ['', { single: 'Single sample', majority: 'Majority of N', debate: 'Debate without finetuning' }],
    single: ['Single-agent finetuning, ', { ...society3, majority: 'majority' }],
    society: [`${variant.title === MAFT ? 'Society finetuning' : variant.title}, `, society3],
  };
  return {
    agents: [baseAgent(), ...society, ...(withSingle ? [singleAgent()] : [])],
    learners: [
      baseLearner(),
      ...(withSingle ? [singleLearner()] : []),
      {
        key: 'society',
        label: variant.title === MAFT ? 'Society finetuning' : variant.title,
        name: variant.name,
        agents: society.map(({ id }) => id),
      },
    ],
    methods: learners.flatMap((learner): Method[] =>
      methodsOf(learner, METHODS[learner], words[learner], { agents, rounds }),
    ),
    compare: [
      ['societyDebate', 'debate'],
      ...(withSingle
        ? ([
            ['societyDebate', 'singleAgentDebate'],
            ['singleAgentDebate', 'debate'],
          ] as [string, string][])
        : []),
      ['societyMajority', 'majority'],
      ['societySingle', 'single'],
    ],
  };
}

export function cost(variant: Variant, config: Config): Need {
  const { agents, rounds, iterations, trainProblems, evaluationProblems } = config;
  const summaries = config.summary === 'base-model' ? agents * (rounds - 1) : 0;
  const calls = agents * rounds + summaries;
  const single = config.singleAgentBaseline ? 1 : 0;
  // Half of the answers of a base that is right half of the time end up in a data set.
  const each = (trainProblems * agents) / 2;
  const test = (iteration: number, learners: number) =>
    ({
      kind: 'episodes',
      iteration,
      purpose: 'evaluation',
      problems: evaluationProblems * learners,
      calls: evaluationProblems * calls * learners,
    }) as const;
  return {
    rows: Math.min(config.chunk, Math.max(trainProblems, evaluationProblems)) * agents,
    seats: agents,
    quotes: { others: rounds > 1 ? agents - 1 : 0, summarised: config.summary === 'base-model' },
    adapters: Math.max(2 * agents + 1, learnersOf(variant, config).length),
    rank: config.adapter.rank,
    tracks: tracksOf(learnersOf(variant, config)),
    work: [
      test(0, 1),
      ...Array.from({ length: iterations }, (_, l) => l + 1).flatMap((iteration): Need['work'] => [
        {
          kind: 'episodes',
          iteration,
          purpose: 'train',
          problems: trainProblems * (1 + single),
          calls: trainProblems * (calls + single * agents),
        },
        { kind: 'train', iteration, solve: each * (1 + single), revise: rounds > 1 ? each : 0 },
        test(iteration, evaluatedIn(config, iteration).length),
      ]),
    ],
  };
}

/** Tracks that learn from prompts that quote nobody, and from prompts that quote others. */
function tracksOf(learners: readonly Learner[]): Need['tracks'] {
  const revise = learners.filter(({ plays }) => plays.some(({ role }) => role === 'critic')).length;
  return { solve: learners.length - revise, revise };
}
