/** What a society learns from: the fate of every turn, and the data set of every adapter. */
import type { Episode } from '../events';
import { STREAMS } from '../random';
import { joins, layersOf } from '../society/episode';
import { UNUSED, type Fate } from '../society/fate';
import { deal, DROPPED, mix, pseudoLabel, select, union, type LabelSource, type Selection } from '../society/selection';
import type { Equal } from '../society/vote';
import { taskNamed } from '../tasks';
import { isSaboteur, labelSource, seatsOf, WORDS, type Learner, type Role, type Variant } from './societyCast';
import { releasedCritic, votesNeeded, withEarlierTurns } from './readings';
import type { Config } from './societySettings';
import { START_KIND } from './startSettings';
import type { BuiltDataset } from './steps';
import { learntFrom, type Learnt } from './updateRules';
import type { ExampleKind, RunContext } from './types';

/** Kinds of examples. Where agents share one model, it learns from all that its seats may learn from. */
export const EXAMPLES: readonly ExampleKind[] = [
  { kind: 'G', roles: ['generator', 'shared model'], line: 'own first answers that reached the label' },
  {
    kind: 'C-',
    roles: ['critic', 'shared model'],
    label: 'C−',
    line: 'revisions of agents that differed from the label at first, then agreed with it',
  },
  {
    kind: 'C+',
    roles: ['critic', 'shared model'],
    line: 'revisions of agents that agreed with the label before and after',
  },
  {
    kind: START_KIND,
    roles: [],
    line: 'chains of the untouched model, by strategy and whatever their answer, before the first iteration',
  },
  { kind: 'M', roles: ['single model'], label: 'D', line: 'answers that equal the majority' },
  // As the authors' code reads the paper.
  { kind: 'earlier', roles: [], line: 'turns before a critic’s last answer, wrong ones too' },
  // Under other update rules than finetuning on agreement.
  { kind: 'pair', roles: [], line: 'answers that are preferred to another one' },
  { kind: 'rejected', roles: [], line: 'answers to which another one is preferred' },
  { kind: 'majority', roles: [], line: 'answers that equal the label: made more probable' },
  { kind: 'minority', roles: [], line: 'answers that differ from the label: made less probable' },
];

/** Labels in words, by where they come from. */
const LABEL_WORDS: Readonly<Record<LabelSource, string>> = {
  vote: 'the vote',
  gold: 'the true answer',
  random: 'the answer that was drawn',
};

/** D^G_n: own first answers equal to ŷ. C−: the agent differed from ŷ at first, then agreed; C+: it agreed with ŷ before and after. M: a sample equals ŷ. */
export function fate(
  variant: Variant,
  episode: Episode,
  config: Pick<
    Config,
    'agents' | 'minimumVotes' | 'update' | 'critics' | 'labels' | 'saboteur' | 'reading' | 'task' | 'guard'
  >,
  equal: Equal,
): Fate[] {
  const minimumVotes = votesNeeded(config);
  const { rule = 'sft', group = 'prompt' } = config.update ?? {};
  const { purpose, learner, turns } = episode;
  const single = learner === 'single';
  const source = single ? 'vote' : labelSource(variant, config);
  const verdict = pseudoLabel(episode, minimumVotes, source);
  const label = LABEL_WORDS[source];
  const last = layersOf(episode) - 1;
  const agrees = (at: number) => 'label' in verdict && joins(episode, verdict.label, at, equal);
  return turns.map(({ answer, layer, seat, text }, at): Fate => {
    if (purpose === 'evaluation') return { to: 'unused', why: UNUSED.heldOut };
    if (learner === 'base' && purpose !== 'train') return { to: 'unused', why: UNUSED.base };
    if (answer === undefined) return { to: 'unused', why: UNUSED.summary };
    if (layer > 0 && layer < last) return { to: 'unused', why: UNUSED.middle };
    if (learner === 'society' && isSaboteur(seat, config)) return { to: 'unused', why: 'a saboteur learns nothing' };
    if (layer > 0 && config.critics === false)
      return { to: 'unused', why: 'there are no critics to learn from revisions' };
    const role = layer === 0 ? 'generator' : 'critic';
    if (learner === 'base') return starting(variant, config, role, text);
    const adapter = adapterOf(variant, episode, role, seat);
    if (rule !== 'sft') {
      return ruled(episode, at, adapter, { rule, group, role, seat, minimumVotes, label: source, equal });
    }
    if (!agrees(at)) return { to: 'dropped', adapter, why: 'label' in verdict ? DROPPED.differs : verdict.rejected };
    if (single) return { to: 'dataset', adapter, kind: 'M', why: 'answer equals the majority' };
    if (variant.data === 'alone')
      return { to: 'dataset', adapter, kind: 'G', why: 'the sample equals the majority of the agent’s own samples' };
    if (layer === 0) return { to: 'dataset', adapter, kind: 'G', why: `first-round answer equals ${label}` };
    const first = turns.findIndex((turn) => turn.layer === 0 && turn.seat === seat && turn.answer !== undefined);
    return agrees(first)
      ? { to: 'dataset', adapter, kind: 'C+', why: `first and last answer equal ${label}` }
      : { to: 'dataset', adapter, kind: 'C-', why: `first answer differed from ${label}, the revised one equals it` };
  });
}

/** What learns from a turn: alone, every sample is the agent's own. */
function adapterOf({ adapter, data }: Variant, { learner, part }: Episode, role: Role, seat: number): string {
  if (learner === 'single') return 'single';
  return data === 'alone' ? (part ?? '') : adapter(role, seat);
}

/** The fate of the untouched model's chains before agents start apart: first of all they are for who prefers their strategy. */
function starting(
  variant: Variant,
  config: Pick<Config, 'task' | 'agents' | 'saboteur'>,
  role: Role,
  text: string,
): Fate {
  const { task, agents } = config;
  const known = taskNamed(task).strategies;
  const strategy = known?.of(text) ?? null;
  const seat = known?.names.findIndex(({ key }) => key === strategy) ?? -1;
  if (seat < 0 || seat >= agents || isSaboteur(seat, config)) return { to: 'unused', why: UNUSED.base };
  return { to: 'dataset', adapter: variant.adapter(role, seat), kind: START_KIND, why: 'a chain of its strategy' };
}

/** The fate of a turn under a rule that learns from disagreement too. */
function ruled(episode: Episode, at: number, adapter: string, learnt: Learnt): Fate {
  const { examples, dropped } = learntFrom([episode], learnt);
  const chosen = examples.find(({ turn }) => turn === at);
  if (chosen) return { to: 'dataset', adapter, kind: chosen.kind, why: `${learnt.rule}: ${chosen.kind}` };
  if (examples.some(({ rejected }) => rejected?.turn === at))
    return { to: 'dataset', adapter, kind: 'rejected', why: 'another answer is preferred to it' };
  return { to: 'dropped', adapter, why: dropped[0]?.reason ?? DROPPED.unanimous };
}

/** The data sets of an iteration, in the order of the adapters. @param held training episodes by learner */
export function datasetsOf(
  variant: Variant,
  { task, config }: RunContext<Config>,
  learning: readonly Learner[],
  held: Readonly<Record<Learner['learner'], readonly Episode[]>>,
  iteration: number,
): BuiltDataset[] {
  const { rule = 'sft' } = config.update ?? {};
  const built = (selectionOf: (one: Learner, episodes: readonly Episode[]) => Selection) =>
    learning.map((one): BuiltDataset => {
      const { adapter, role, slot, learner } = one;
      const alone = variant.data === 'alone' && learner === 'society';
      const episodes = alone ? held.society.filter(({ part }) => part === adapter) : held[learner];
      return { adapter, role, slot, selection: selectionOf(one, episodes), episodes };
    });
  /** Once for all adapters that learn from the same episodes. */
  const known = new Map<readonly Episode[], Fate[][]>();
  const fatesOf = (episodes: readonly Episode[]): Fate[][] => {
    const fates = known.get(episodes) ?? episodes.map((episode) => fate(variant, episode, config, task.equal));
    known.set(episodes, fates);
    return fates;
  };
  if (rule !== 'sft')
    return withSteps(
      config,
      built((one, episodes) => ruledSelection(variant, config, rule, one, episodes, task.equal, iteration)),
    );
  return withSteps(
    config,
    built((one, episodes) => agreement(variant, config, one, episodes, fatesOf(episodes), iteration)),
  );
}

/**
 * The single model takes as many optimiser steps as one generator on the average, or a multiple of them, where that is asked for. Saboteurs
 * learn nothing, so they do not count.
 */
export function withSteps(config: Config, datasets: BuiltDataset[]): BuiltDataset[] {
  const { single, finetune } = config;
  const times = single?.steps ?? 0;
  if (times === 0) return datasets;
  const steps = datasets
    .filter(({ role, slot }) => role === WORDS.generator && !isSaboteur(slot, config))
    .map(({ selection }) => finetune.epochs * Math.ceil(selection.examples.length / finetune.batchSize));
  const mean = steps.reduce((sum, one) => sum + one, 0) / Math.max(1, steps.length);
  return datasets.map((one) => (one.role === WORDS.single ? { ...one, steps: Math.round(times * mean) } : one));
}

/** What an adapter learns from by the fates of its learner's turns. */
function agreement(
  variant: Variant,
  config: Config,
  owner: Learner,
  episodes: readonly Episode[],
  fates: readonly (readonly Fate[])[],
  iteration: number,
): Selection {
  const { adapter, learner, plays } = owner;
  const draw = { seed: config.seed, stream: STREAMS.select, iteration };
  /** What a seat's role gives: G, or C− and C+ with the share w. */
  const given = (one: { role: Role; seat: number }): Selection => {
    const own = fates.map((turns, at) =>
      turns.map((one_, turn): Fate => (spokenBy(episodes[at] as Episode, turn, one) ? one_ : NOBODYS)),
    );
    const seatAdapter = variant.adapter(one.role, one.seat);
    if (one.role === 'generator') return select(episodes, own, seatAdapter, ['G']);
    const both = select(episodes, own, seatAdapter, ['C-', 'C+']);
    const name = { ...draw, agent: one.seat };
    if (config.reading !== 'released') return mix(both, ['C-', 'C+'], config.criticShare, name);
    return withEarlierTurns(releasedCritic(both, name), ({ problem, turn }) => {
      const { turns = [] } = episodes.find((episode) => episode.problem === problem) ?? {};
      return turns.flatMap((said, at) =>
        at < turn && said.seat === one.seat && said.answer !== undefined ? [at] : [],
      );
    });
  };
  if (learner === 'single') return select(episodes, fates, adapter, ['M']);
  if (variant.data === 'alone') return select(episodes, fates, adapter, ['G']);
  if (variant.data === 'own') return union(plays.map(given));
  return dealt(config, owner, iteration, (all) => union(all.map(given)));
}

/**
 * What an adapter learns from under a rule that learns from disagreement too. Dealt are the examples of all agents, a pair of two agents twice as
 * in the society, so that an agent has as many as there.
 */
function ruledSelection(
  variant: Variant,
  config: Config,
  rule: Learnt['rule'],
  owner: Learner,
  episodes: readonly Episode[],
  equal: Equal,
  iteration: number,
): Selection {
  const { learner, plays } = owner;
  const label = learner === 'single' ? 'vote' : labelSource(variant, config);
  const learnt = { rule, group: config.update?.group ?? 'prompt', minimumVotes: votesNeeded(config), label, equal };
  const given = (seats: readonly { role: Role; seat: number }[]): Selection =>
    union(seats.map((seat) => learntFrom(episodes, { ...learnt, ...seat })));
  const speaking = ({ seat }: { seat: number }) => !isSaboteur(seat, config);
  if (learner === 'single' || variant.data === 'alone') return once(given(everySeatAs(config, 'generator')));
  if (variant.data === 'own') return once(given(plays.filter(speaking)));
  return dealt(config, owner, iteration, (all) => given(all.filter(speaking)));
}

function everySeatAs(config: Config, role: Role): { role: Role; seat: number }[] {
  return seatsOf(config).map((seat) => ({ role, seat }));
}

/** An adapter's part of what all seats of its role may learn from; saboteurs get none. */
function dealt(
  config: Config,
  { plays: [mine = { role: 'generator', seat: 0 }], role: word }: Learner,
  iteration: number,
  given: (all: { role: Role; seat: number }[]) => Selection,
): Selection {
  const { seed, agents, saboteur } = config;
  const { seat } = mine;
  const all = given(everySeatAs(config, mine.role));
  if (isSaboteur(seat, config)) return { examples: [], available: all.available, dropped: [] };
  const name = { seed, stream: STREAMS.split, iteration, agent: word };
  return deal(all, agents - (saboteur?.seats ?? 0), seat, name);
}

/** Pairs of two seats that one adapter plays are found from both ends. */
function once(selection: Selection): Selection {
  const seen = new Set<string>();
  const examples = selection.examples.filter(({ problem, turn, rejected }) => {
    const name = `${problem} ${turn} ${rejected?.turn ?? ''}`;
    return !seen.has(name) && seen.add(name);
  });
  return { ...selection, examples };
}

/** Fate of a turn that is somebody else's. */
const NOBODYS: Fate = { to: 'unused', why: '' };

/** Was the turn spoken in this role at this seat? */
function spokenBy({ turns }: Episode, at: number, { role, seat }: { role: Role; seat: number }): boolean {
  const turn = turns[at];
  return turn?.seat === seat && (turn.layer === 0) === (role === 'generator');
}
