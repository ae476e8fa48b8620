/** What MALT's roles learn from: the worth of every turn, its fate, and the data sets. */
import type { Episode, ExampleRef } from '../events';
import { STREAMS } from '../random';
import { joins } from '../society/episode';
import { UNUSED, type Fate } from '../society/fate';
import { pseudoLabel, type Selection } from '../society/selection';
import {
  advantages,
  atMostPerProblem,
  isWanted,
  oneOf,
  pairsAmong,
  siblingsOf,
  treeValues,
} from '../society/treeValues';
import type { Equal } from '../society/vote';
import { thresholdIn, type Config } from './maltSettings';
import type { Learning } from './steps';
import type { ExampleKind } from './types';

/** The roles in the order in which they speak, with the kind of their turns. */
export const ROLES = [
  { role: 'generator', kind: 'answer' },
  { role: 'verifier', kind: 'critique' },
  { role: 'refiner', kind: 'refinement' },
] as const;
export type Role = (typeof ROLES)[number]['role'];

/** A role's adapter has its name; `role` is its word in the names of draws. */
export interface RoleLearning extends Learning {
  adapter: Role;
}

/** The roles that learn. */
export function learningOf({ untrained }: Pick<Config, 'untrained'>): RoleLearning[] {
  const all = ROLES.map(({ role }, word): RoleLearning => ({ adapter: role, role: word, slot: 0 }));
  return all.filter(({ adapter }) => adapter !== untrained);
}

/** Does the role learn preferences? */
export function prefers({ prefer }: Pick<Config, 'prefer'>, role: Role): boolean {
  return prefer === 'all' || (prefer === 'verifier-refiner' && role !== 'generator');
}

export const EXAMPLES: readonly ExampleKind[] = [
  { kind: 'positive', roles: ['generator', 'verifier', 'refiner'], label: '+', line: 'turns whose value is above θ' },
  { kind: 'pair', roles: [], line: 'wanted turns that are preferred to a sibling' },
  { kind: 'rejected', roles: [], label: '−', line: 'turns to which a sibling is preferred' },
  { kind: 'better', roles: [], line: 'turns of chains better than the mean: made more probable' },
  { kind: 'worse', roles: [], line: 'turns of chains worse than the mean: made less probable' },
];

/** Why a turn is not learnt. */
export const NOT_LEARNT = {
  value: 'value is not above the threshold',
  alike: 'no sibling is on the other side of the threshold',
  enough: 'enough of its problem',
  chains: 'all chains are alike',
} as const;

/** Who calls the values of a tree, in the log. */
export const TREE = 'tree value';

/** Turns that settle what is right: refinements of a tree, answers and refinements of chains. */
export function settlingTurns({ turns }: Pick<Episode, 'turns'>, { credit, label }: Pick<Config, 'credit' | 'label'>) {
  const both = credit === 'chain' && label === 'gold';
  return turns.flatMap(({ kind }, at) => (kind === 'refinement' || (both && kind === 'answer') ? [at] : []));
}

/** What right and wrong say of the turns of an episode: 1, 0, or nothing where there is no label. A majority is more than half. */
export function rewardsOf(
  episode: Episode,
  { label }: Pick<Config, 'label'>,
  equal: Equal,
): Map<number, number> | string {
  const refinements = episode.turns.filter(({ kind }) => kind === 'refinement').length;
  const verdict = pseudoLabel(episode, majorityOf(refinements), label);
  if ('rejected' in verdict) return verdict.rejected;
  return new Map(
    episode.turns.flatMap(({ answer }, at) =>
      answer === undefined ? [] : [[at, joins(episode, verdict.label, at, equal) ? 1 : 0] as const],
    ),
  );
}

/** Votes that are more than half. */
export function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** The value of every turn of a tree; null without a label. */
export function valuesOf(episode: Episode, config: Pick<Config, 'label'>, equal: Equal): (number | null)[] | string {
  const rewards = rewardsOf(episode, config, equal);
  if (typeof rewards === 'string') return rewards;
  const leaves = [...rewards].filter(([at]) => episode.turns[at]?.kind === 'refinement');
  return treeValues(episode.turns, new Map(leaves));
}

/** The weight of every turn of some chains: the advantage of its reward within its role. A check's reward is that of its own chain's end. */
export function weightsOf(episode: Episode, config: Pick<Config, 'label'>, equal: Equal): number[] | string {
  const { turns } = episode;
  const rewards = rewardsOf(episode, config, equal);
  if (typeof rewards === 'string') return rewards;
  const endOf = (at: number) => turns.findIndex(({ kind, parents }) => kind === 'refinement' && parents.includes(at));
  const weights = turns.map(() => 0);
  for (const { kind } of ROLES) {
    const group = turns.flatMap((turn, at) => (turn.kind === kind ? [at] : []));
    const found = advantages(group.map((at) => rewards.get(kind === 'critique' ? endOf(at) : at) ?? 0));
    group.forEach((at, index) => (weights[at] = found[index] ?? 0));
  }
  return weights;
}

/** What may be learnt from an episode, before a problem's share is drawn. */
interface Candidates {
  examples: ExampleRef[];
  /** By turn: why it is none. */
  dropped: Map<number, string>;
}

/** Wanted turns, or with signed weights those of chains that differ. */
function examplesIn(episode: Episode, config: Config, equal: Equal): Candidates {
  const { problem, turns, iteration } = episode;
  const examples: ExampleRef[] = [];
  const dropped = new Map<number, string>();
  const chain = config.credit === 'chain';
  const found = (chain ? weightsOf : valuesOf)(episode, config, equal);
  const rule = { threshold: thresholdIn(config, iteration), at: config.ties };
  turns.forEach((_, turn) => {
    if (typeof found === 'string') return dropped.set(turn, found);
    const number = found[turn] ?? null;
    if (chain && number) return examples.push({ problem, turn, kind: number > 0 ? 'better' : 'worse', weight: number });
    if (!chain && isWanted(number, rule)) return examples.push({ problem, turn, kind: 'positive' });
    return dropped.set(turn, chain ? NOT_LEARNT.chains : NOT_LEARNT.value);
  });
  return { examples, dropped };
}

/** Pairs of siblings on both sides of the threshold. */
function pairsIn(episode: Episode, config: Config, equal: Equal): Candidates {
  const { problem, turns, iteration } = episode;
  const values = valuesOf(episode, config, equal);
  if (typeof values === 'string') return { examples: [], dropped: new Map(turns.map((_, at) => [at, values])) };
  const rule = { threshold: thresholdIn(config, iteration), at: config.ties };
  const wanted = values.map((value) => isWanted(value, rule));
  const draw = { seed: config.seed, stream: STREAMS.select, iteration, problem, round: DRAWN.one };
  const pairs = siblingsOf(turns).flatMap((siblings) => {
    const all = pairsAmong(siblings, turns, wanted);
    return config.pairs === 'one' ? oneOf(all, draw, siblings[0] ?? 0) : all;
  });
  const compared = new Set(pairs.flat());
  return {
    examples: pairs.map(([turn, other]) => ({ problem, turn, kind: 'pair', rejected: { problem, turn: other } })),
    dropped: new Map(turns.flatMap((_, at) => (compared.has(at) ? [] : [[at, NOT_LEARNT.alike]]))),
  };
}

/** Words of the draws that choose examples: of examples, of pairs, of one pair among siblings. */
const DRAWN = { examples: 0, pairs: 1, one: 2 } as const;

/** What a role learns from in a job. @param what examples (wanted turns or weighted ones), or preferences */
export function selectionOf(
  episodes: readonly Episode[],
  { adapter, role }: RoleLearning,
  what: 'examples' | 'pairs',
  config: Config,
  iteration: number,
  equal: Equal,
): Selection {
  const kind = ROLES[role]?.kind;
  const reasons = new Map<string, number>();
  const count = (reason: string, times = 1) => times > 0 && reasons.set(reason, (reasons.get(reason) ?? 0) + times);
  const all: ExampleRef[] = [];
  for (const episode of episodes) {
    const own = (at: number) => episode.turns[at]?.kind === kind && episode.turns[at]?.agent === adapter;
    const { examples, dropped } = (what === 'pairs' ? pairsIn : examplesIn)(episode, config, equal);
    all.push(...examples.filter(({ turn }) => own(turn)));
    for (const [at, reason] of dropped) if (own(at)) count(reason);
  }
  const draw = { seed: config.seed, stream: STREAMS.select, iteration, agent: role, round: DRAWN[what] };
  const examples = atMostPerProblem(all, config.perProblem, draw);
  count(NOT_LEARNT.enough, all.length - examples.length);
  const available: Record<string, number> = {};
  for (const { kind: one } of all) available[one] = (available[one] ?? 0) + 1;
  return { examples, available, dropped: Array.from(reasons, ([reason, times]) => ({ reason, count: times })) };
}

/** A wanted turn is an example; an unwanted one is rejected where a sibling is preferred to it. A problem's share is drawn later. */
export function fate(episode: Episode, config: Config, equal: Equal): Fate[] {
  const { purpose, turns } = episode;
  if (purpose === 'evaluation') return turns.map(() => ({ to: 'unused', why: UNUSED.heldOut }));
  const { examples, dropped } = examplesIn(episode, config, equal);
  const pairs = config.credit === 'tree' ? pairsIn(episode, config, equal).examples : [];
  const kinds = new Map(examples.map(({ turn, kind }) => [turn, kind]));
  const rejected = new Set(pairs.map((pair) => pair.rejected?.turn));
  return turns.map(({ kind, agent }, at): Fate => {
    const role = ROLES.find((one) => one.kind === kind)?.role ?? 'generator';
    if (agent !== role) return { to: 'unused', why: UNUSED.base };
    const learnt = kinds.get(at);
    if (learnt !== undefined) return { to: 'dataset', adapter: role, kind: learnt, why: WHY[learnt] ?? learnt };
    if (rejected.has(at) && prefers(config, role))
      return { to: 'dataset', adapter: role, kind: 'rejected', why: WHY['rejected'] as string };
    return { to: 'dropped', adapter: role, why: dropped.get(at) ?? NOT_LEARNT.value };
  });
}

const WHY: Readonly<Record<string, string>> = {
  positive: 'value is above the threshold',
  rejected: 'value is not above the threshold: a sibling is preferred to it',
  better: 'better than the mean of the chains',
  worse: 'worse than the mean of the chains',
};
