/** What a society learns from: the fate of every turn, and the data set of every adapter. */
import type { Episode } from '../events';
import { STREAMS } from '../random';
import { joins, layersOf } from '../society/episode';
import { UNUSED, type Fate } from '../society/fate';
import { deal, DROPPED, mix, pseudoLabel, select, union, type Selection } from '../society/selection';
import type { Equal } from '../society/vote';
import { seatsOf, type Learner, type Role, type Variant } from './societyCast';
import type { Config } from './societySettings';
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
    line: 'revisions that corrected a wrong first answer',
  },
  { kind: 'C+', roles: ['critic', 'shared model'], line: 'revisions that kept a right one' },
  { kind: 'M', roles: ['single model'], label: 'D', line: 'answers that equal the majority' },
  // Under other update rules than finetuning on agreement.
  { kind: 'pair', roles: [], line: 'answers that are preferred to another one' },
  { kind: 'rejected', roles: [], line: 'answers to which another one is preferred' },
  { kind: 'majority', roles: [], line: 'answers that equal the label: made more probable' },
  { kind: 'minority', roles: [], line: 'answers that differ from the label: made less probable' },
];

/** D^G_n: own first answers equal to ŷ. C−: a wrong first answer was corrected; C+: a right one was kept. M: a sample equals ŷ. */
export function fate(
  variant: Variant,
  episode: Episode,
  config: Pick<Config, 'minimumVotes' | 'update'>,
  equal: Equal,
): Fate[] {
  const { minimumVotes } = config;
  const { rule = 'sft' } = config.update ?? {};
  const { purpose, learner, turns } = episode;
  const single = learner === 'single';
  const verdict = pseudoLabel(episode, minimumVotes, single ? 'vote' : variant.label);
  const label = single || variant.label === 'vote' ? 'the vote' : 'the true answer';
  const last = layersOf(episode) - 1;
  const agrees = (at: number) => 'label' in verdict && joins(episode, verdict.label, at, equal);
  return turns.map(({ answer, layer, seat }, at): Fate => {
    if (purpose === 'evaluation') return { to: 'unused', why: UNUSED.heldOut };
    if (learner === 'base') return { to: 'unused', why: UNUSED.base };
    if (answer === undefined) return { to: 'unused', why: UNUSED.summary };
    if (layer > 0 && layer < last) return { to: 'unused', why: UNUSED.middle };
    const role = layer === 0 ? 'generator' : 'critic';
    const adapter = single ? 'single' : variant.adapter(role, seat);
    if (rule !== 'sft') {
      const source = single ? 'vote' : variant.label;
      return ruled(episode, at, adapter, { rule, role, seat, minimumVotes, label: source, equal });
    }
    if (!agrees(at)) return { to: 'dropped', adapter, why: 'label' in verdict ? DROPPED.differs : verdict.rejected };
    if (single) return { to: 'dataset', adapter, kind: 'M', why: 'answer equals the majority' };
    if (layer === 0) return { to: 'dataset', adapter, kind: 'G', why: `first-round answer equals ${label}` };
    const first = turns.findIndex((turn) => turn.layer === 0 && turn.seat === seat && turn.answer !== undefined);
    return agrees(first)
      ? { to: 'dataset', adapter, kind: 'C+', why: `first and last answer equal ${label}` }
      : { to: 'dataset', adapter, kind: 'C-', why: `first answer differed from ${label}, the revised one equals it` };
  });
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

/** An adapter's data set of an iteration. @param episodes of its learner */
export function datasetOf(
  variant: Variant,
  { task, config }: RunContext<Config>,
  { adapter, role, slot, learner, plays }: Learner,
  episodes: readonly Episode[],
  iteration: number,
): BuiltDataset {
  const fates = episodes.map((episode) => fate(variant, episode, config, task.equal));
  const draw = { seed: config.seed, stream: STREAMS.select, iteration };
  /** What a seat's role gives: G, or C− and C+ with the share w. */
  const given = (one: { role: Role; seat: number }): Selection => {
    const own = fates.map((turns, at) =>
      turns.map((one_, turn): Fate => (spokenBy(episodes[at] as Episode, turn, one) ? one_ : NOBODYS)),
    );
    const seatAdapter = variant.adapter(one.role, one.seat);
    if (one.role === 'generator') return select(episodes, own, seatAdapter, ['G']);
    return mix(select(episodes, own, seatAdapter, ['C-', 'C+']), ['C-', 'C+'], config.criticShare, {
      ...draw,
      agent: one.seat,
    });
  };
  const { rule = 'sft' } = config.update ?? {};
  if (rule !== 'sft') {
    const { minimumVotes } = config;
    const label = learner === 'single' ? 'vote' : variant.label;
    const seats = learner === 'single' ? seatsOf(config).map((seat) => ({ role: 'generator' as const, seat })) : plays;
    const learnt = seats.map((one) => learntFrom(episodes, { rule, ...one, minimumVotes, label, equal: task.equal }));
    return { adapter, role, slot, selection: once(union(learnt)), episodes };
  }
  if (learner === 'single')
    return { adapter, role, slot, selection: select(episodes, fates, adapter, ['M']), episodes };
  if (variant.data === 'own') return { adapter, role, slot, selection: union(plays.map(given)), episodes };
  const [mine] = plays;
  const all = union(seatsOf(config).map((seat) => given({ role: mine?.role ?? 'generator', seat })));
  const part = deal(all, config.agents, mine?.seat ?? 0, { ...draw, stream: STREAMS.split, agent: role });
  return { adapter, role, slot, selection: part, episodes };
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
