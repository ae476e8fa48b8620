/**
 * What an agent learns from the same transcripts under other rules than finetuning on agreement: preferences of majority over minority
 * turns (MV-DPO of MACA, arXiv 2509.15172: all pairs, unanimous problems skipped), the same without pairs (KTO, arXiv 2402.01306), and signed
 * weights (advantage within the group of an agent's turn, as GRPO with one update: arXiv 2402.03300).
 * KTO is the paper's with the reference point z at 0, since an estimate of z needs mismatched texts; wanted and unwanted answers weigh alike, where
 * MACA weighs them by their counts.
 *
 * Ours: a generator's group are all first answers of the problem, which have one prompt; a pair needs the agent's own answer in it. A critic's
 * prompts differ from seat to seat, so its pair is its revision against its own first answer, both under the prompt of the revision. For the
 * same reason the advantage of a revision is taken over these two: +1 for a corrected answer, −1 for a spoiled one, nothing for one that stayed
 * as it was. A group for each agent and turn (arXiv 2510.11062) needs several samples of every turn, which a society does not have. `update.group`
 * = round compares a revision with all of its round, whatever each has read: then a critic whose prompt was easy is praised for it.
 */
import type { Episode, ExampleRef, ObjectiveName } from '../events';
import { answersOf, joins, layersOf } from '../society/episode';
import { DROPPED, pseudoLabel, type LabelSource, type Selection } from '../society/selection';
import type { Equal } from '../society/vote';

export const UPDATE_RULES = ['sft', 'dpo', 'kto', 'advantage'] as const;
export type UpdateRule = (typeof UPDATE_RULES)[number];

/** What the advantage of a revision is taken over: answers to what it answered, or all of its round. */
export const UPDATE_GROUPS = ['prompt', 'round'] as const;
export type UpdateGroup = (typeof UPDATE_GROUPS)[number];

/** The objective of a training job under a rule. */
export function objectiveOf(rule: UpdateRule, beta: number): ObjectiveName {
  return rule === 'dpo' || rule === 'kto' ? { kind: rule, beta } : { kind: 'sft' };
}

export interface Learnt {
  rule: Exclude<UpdateRule, 'sft'>;
  /** Of advantages; default `prompt`. */
  group?: UpdateGroup;
  role: 'generator' | 'critic';
  /** Whose turns. */
  seat: number;
  minimumVotes: number;
  label: LabelSource;
  equal: Equal;
}

/** The examples of a seat's role under a rule, in the order of the episodes. */
export function learntFrom(episodes: readonly Episode[], learnt: Learnt): Selection {
  const examples: ExampleRef[] = [];
  const dropped = new Map<string, number>();
  for (const episode of episodes) {
    const found = fromEpisode(episode, learnt);
    if (typeof found === 'string') dropped.set(found, (dropped.get(found) ?? 0) + 1);
    else examples.push(...found);
  }
  const available: Record<string, number> = {};
  for (const { kind } of examples) available[kind] = (available[kind] ?? 0) + 1;
  return { examples, available, dropped: Array.from(dropped, ([reason, count]) => ({ reason, count })) };
}

/** Examples of one episode, or why there are none. */
function fromEpisode(
  episode: Episode,
  { rule, group: compared = 'prompt', role, seat, minimumVotes, label, equal }: Learnt,
): ExampleRef[] | string {
  const verdict = pseudoLabel(episode, minimumVotes, label);
  if ('rejected' in verdict) return verdict.rejected;
  const layer = role === 'generator' ? 0 : layersOf(episode) - 1;
  const group = answersOf(episode, layer);
  const own = group.find((at) => episode.turns[at]?.seat === seat);
  if (own === undefined) return DROPPED.unspoken;
  const agrees = (at: number) => joins(episode, verdict.label, at, equal);
  const { problem } = episode;
  if (rule === 'kto') {
    const kind = agrees(own) ? 'majority' : 'minority';
    return [{ problem, turn: own, kind, weight: agrees(own) ? 1 : -1 }];
  }
  if (rule === 'advantage') {
    const first = answersOf(episode, 0).filter((at) => episode.turns[at]?.seat === seat);
    const beside = role === 'critic' && compared === 'prompt' ? [...first, own] : group;
    const weight = advantage(beside.map(agrees), agrees(own));
    if (weight === 0) return DROPPED.unanimous;
    return [{ problem, turn: own, kind: weight > 0 ? 'majority' : 'minority', weight }];
  }
  const pairs = role === 'generator' ? pairsWith(own, group, agrees) : revised(episode, own, seat, agrees);
  if (pairs.length === 0) return DROPPED.unanimous;
  const prompt = role === 'generator' ? {} : { prompt: own };
  return pairs.map(([turn, other]) => ({ problem, turn, kind: 'pair', ...prompt, rejected: { problem, turn: other } }));
}

/** All pairs of a turn that agrees and one that does not, in which the own one is. */
function pairsWith(own: number, group: readonly number[], agrees: (at: number) => boolean): [number, number][] {
  const others = group.filter((at) => agrees(at) !== agrees(own));
  return others.map((other) => (agrees(own) ? [own, other] : [other, own]));
}

/** The revision against the seat's own first answer. */
function revised(episode: Episode, own: number, seat: number, agrees: (at: number) => boolean): [number, number][] {
  const first = answersOf(episode, 0).find((at) => episode.turns[at]?.seat === seat);
  if (first === undefined || agrees(first) === agrees(own)) return [];
  return [agrees(own) ? [own, first] : [first, own]];
}

/** (r − mean) / standard deviation over the group, r = 1 for agreement; 0 where all are alike. Rounded to six decimals. */
function advantage(group: readonly boolean[], own: boolean): number {
  const mean = group.filter(Boolean).length / group.length;
  const deviation = Math.sqrt(mean * (1 - mean));
  return deviation === 0 ? 0 : Math.round((((own ? 1 : 0) - mean) * 1e6) / deviation) / 1e6;
}
