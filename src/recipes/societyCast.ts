/** Who takes part in a society, and what it costs. */
import type { Agent, Cast, Method } from '../events';
import type { Player, Players } from '../society/debate';
import type { LabelSource } from '../society/selection';
import { taskNamed } from '../tasks';
import { baseAgent, baseLearner, letter, methodsOf, singleAgent, singleLearner } from './casts';
import { loopWork } from './need';
import { callsOfSociety, summariesOf } from './societyCalls';
import type { Config } from './societySettings';
import { startsApart, startSize } from './startSettings';
import { everySeat, type Learning } from './steps';
import type { Need, Work } from './types';

export type Role = 'generator' | 'critic';

/** What tells a society from another. */
export interface Variant {
  id: string;
  title: string;
  description: string;
  paper: string;
  /** The society after finetuning, in tables. */
  learner: string;
  /** The society, within a sentence: "the society". */
  name: string;
  /** Adapter that plays and learns a role at a seat. Several seats may share one. */
  adapter(role: Role, seat: number): string;
  /**
   * Whose examples an adapter learns from: those of the seats that it plays; those of all seats of its role, dealt at random into as many
   * parts as there are seats; or samples of its own, on which it votes alone.
   */
  data: 'own' | 'dealt' | 'alone';
  /** Where the label of a problem comes from: the society's vote, or the true answer. */
  label: 'vote' | 'gold';
  /** The untouched model is also sampled as often as the society has generations, for a vote at equal calls. */
  equalCalls?: true;
  /** Settings that all its presets have. */
  preset?: Partial<Config>;
}

/** Words of draws that tell the roles apart. */
export const WORDS = { generator: 0, critic: 1, single: 2 } as const;

export const seatsOf = ({ agents }: Config) => Array.from({ length: agents }, (_, seat) => seat);
/** With one round nobody reads anybody, so there are no critics. */
const rolesOf = ({ rounds, critics = true }: Config): Role[] =>
  rounds > 1 && critics ? ['generator', 'critic'] : ['generator'];
/** Who speaks at a seat from round 2 on. */
const laterRole = ({ critics = true }: Config): Role => (critics ? 'critic' : 'generator');

/** Where the society's labels come from. */
export function labelSource({ label }: Variant, { labels = 'vote' }: Pick<Config, 'labels'>): LabelSource {
  return labels === 'random' ? 'random' : label;
}

/** Does a seat of the society state one answer whatever is asked? The last ones do. */
export function isSaboteur(seat: number, { agents, saboteur }: Pick<Config, 'agents' | 'saboteur'>): boolean {
  return seat >= agents - (saboteur?.seats ?? 0);
}

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

/** Who is tested before the first iteration, where agents start apart. */
export function startersOf({ singleAgentBaseline }: Config): string[] {
  return ['society', ...(singleAgentBaseline ? ['single'] : [])];
}

/** What a saboteur's seat states in place of an answer; nothing for other seats. */
export function givenTo(
  seat: number,
  config: Pick<Config, 'agents' | 'saboteur' | 'task'>,
): Pick<Player, 'given'> | Record<string, never> {
  return isSaboteur(seat, config) ? { given: taskNamed(config.task).stated(config.saboteur?.says ?? '0') } : {};
}

/** Who plays for a learner: nobody's adapter, the variant's adapters, or one adapter at every seat. */
export function playersOf(variant: Variant, learner: string, config: Config): Players {
  const { agents } = config;
  if (learner !== 'society') {
    const seats = everySeat(agents, { agent: learner, adapter: learner === 'base' ? null : learner });
    return { learner, first: seats, later: seats };
  }
  const seats = (role: Role) =>
    seatsOf(config).map((seat): Player => {
      const adapter = variant.adapter(role, seat);
      return { agent: adapter, adapter, ...givenTo(seat, config) };
    });
  return { learner, first: seats('generator'), later: seats(laterRole(config)) };
}

/** Keys of methods, by learner and way of answering. */
export const METHODS: Readonly<Record<string, { single: string; majority: string; debate: string }>> = {
  base: { single: 'single', majority: 'majority', debate: 'debate' },
  single: { single: 'singleAgentSingle', majority: 'singleAgentMajority', debate: 'singleAgentDebate' },
  society: { single: 'societySingle', majority: 'societyMajority', debate: 'societyDebate' },
};

/** Keys of majorities among as many samples as the society spends generations, and what stands for that way of answering. */
export const EQUAL_CALLS = { base: 'majorityEqualCalls', answer: 'majority-equal' } as const;

export function cast(variant: Variant, config: Config): Cast {
  const { singleAgentBaseline: withSingle } = config;
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
    society: [`${variant.learner}, `, society3],
  };
  return {
    agents: [baseAgent(), ...society, ...(withSingle ? [singleAgent()] : [])],
    learners: [
      baseLearner(),
      ...(withSingle ? [singleLearner()] : []),
      {
        key: 'society',
        label: variant.learner,
        name: variant.name,
        agents: society.map(({ id }) => id),
      },
    ],
    methods: [
      ...learners.flatMap((learner): Method[] => methodsOf(learner, METHODS[learner], words[learner], config)),
      ...(variant.equalCalls ? [equalCalls(config)] : []),
    ],
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

/** The vote of the untouched model at the society's calls. */
function equalCalls(config: Config): Method {
  const calls = callsOfSociety(config);
  return { key: EQUAL_CALLS.base, label: `Majority of ${calls}`, learner: 'base', answer: EQUAL_CALLS.answer, calls };
}

/** What saboteurs say is given, and read. */
export function saboteursNeed(variant: Variant, config: Config): Record<string, 'scores'[]> {
  const seats = seatsOf(config).filter((seat) => isSaboteur(seat, config));
  const roles = rolesOf(config);
  return Object.fromEntries(seats.flatMap((seat) => roles.map((role) => [variant.adapter(role, seat), ['scores']])));
}

/** What is asked of agents beside responses: saboteurs' texts are scored, and so are generators' where agents are measured. */
export function scoresNeed(variant: Variant, config: Config): Record<string, 'scores'[]> {
  const scored = config.measure?.agents ? seatsOf(config).map((seat) => variant.adapter('generator', seat)) : [];
  return { ...saboteursNeed(variant, config), ...Object.fromEntries(scored.map((adapter) => [adapter, ['scores']])) };
}

export function cost(variant: Variant, config: Config): Need {
  const { agents, rounds, iterations, trainProblems, evaluationProblems } = config;
  const calls = callsOfSociety(config);
  const single = config.singleAgentBaseline ? 1 : 0;
  // Alone, each agent answers as often as the society has seats.
  const own = variant.data === 'alone' ? agents : 1;
  // Half of the answers of a base that is right half of the time end up in a data set.
  const each = (trainProblems * agents) / 2;
  const answered = {
    problems: trainProblems * (own + single),
    calls: trainProblems * (calls * own + single * agents),
    table: trainProblems * calls * own,
  };
  const { steps = 0 } = config.single ?? {};
  const alone = steps === 0 ? each : (each / agents) * steps;
  const learnt = { solve: each * own + single * alone, revise: rounds > 1 && (config.critics ?? true) ? each : 0 };
  const seats = variant.equalCalls ? calls : agents;
  return {
    rows: Math.min(config.chunk, Math.max(trainProblems, evaluationProblems)) * seats,
    seats,
    quotes: { others: rounds > 1 ? othersRead(config) : 0, summarised: summariesOf(config) > 0 },
    adapters: Math.max(2 * agents + 1, learnersOf(variant, config).length),
    rank: config.adapter.rank,
    tracks: tracksOf(learnersOf(variant, config)),
    work: apart(
      config,
      calls,
      climbing(
        config,
        loopWork(iterations, answered, learnt, (iteration) => {
          const learners = iteration === 0 ? ['base'] : evaluatedIn(config, iteration);
          const groups = learners.length + (variant.equalCalls && iteration === 0 ? 1 : 0);
          // The model of one agent debates with itself.
          const seated = learners.filter((learner) => learner !== 'single').length;
          const each = evaluationProblems * calls;
          return { problems: evaluationProblems * groups, calls: each * groups, table: each * seated };
        }),
      ),
    ),
  };
}

/** With the ladder, iteration l of L answers and learns from the part l/L of its problems. */
function climbing({ guard, iterations }: Config, work: Work[]): Work[] {
  if (!guard?.ladder) return work;
  return work.map((one): Work => {
    const part = (amount: number) => Math.ceil((amount * one.iteration) / iterations);
    if (one.kind !== 'episodes') return { ...one, solve: part(one.solve), revise: part(one.revise) };
    return one.purpose === 'train'
      ? {
          ...one,
          problems: part(one.problems),
          calls: part(one.calls),
          ...(one.table !== undefined && { table: part(one.table) }),
        }
      : one;
  });
}

/** Texts of others that a prompt quotes. */
export function othersRead({ agents, reads = 'all' }: Pick<Config, 'agents' | 'reads'>): number {
  if (reads === 'none') return 0;
  return reads === 'one' ? 1 : agents - 1;
}

/** The work of a loop, and behind its first test that of agents that start apart. */
function apart(config: Config, calls: number, [first, ...rest]: Work[]): Work[] {
  if (!first || !startsApart(config)) return first ? [first, ...rest] : rest;
  const { rounds, agents, finetune, evaluationProblems } = config;
  const { problems, steps } = startSize(config);
  // Examples as the epochs of an iteration would need them for so many steps.
  const each = (steps * finetune.batchSize * agents) / finetune.epochs;
  const groups = startersOf(config).length;
  return [
    first,
    { kind: 'episodes', iteration: 0, purpose: 'train', problems, calls: problems * calls },
    { kind: 'train', iteration: 0, solve: each, revise: rounds > 1 && (config.critics ?? true) ? each : 0 },
    {
      kind: 'episodes',
      iteration: 0,
      purpose: 'evaluation',
      problems: evaluationProblems * groups,
      calls: evaluationProblems * calls * groups,
    },
    ...rest,
  ];
}

/** Tracks that learn from prompts that quote nobody, and from prompts that quote others. */
function tracksOf(learners: readonly Learner[]): Need['tracks'] {
  const revise = learners.filter(({ plays }) => plays.some(({ role }) => role === 'critic')).length;
  return { solve: learners.length - revise, revise };
}
