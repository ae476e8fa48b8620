/** How the texts of a run came about: what was cut, shortened, never asked for or cannot be read. It explains bad accuracies. */
import type { DebateHeld, LoggedSummary, RunEvent } from '../events';

/** A response of round 1, a response of a later round, or the base model's summary that is read for one. */
export type TextKind = 'answer' | 'revision' | 'summary';

export interface TextCounts {
  texts: number;
  /** Sampled up to the length limit: no end token came. */
  cut: number;
  /** Asked for with quoted texts shortened, because the whole prompt would have left too little room. */
  shortened: number;
  /** Never sampled: the prompt left no room at all. */
  unasked: number;
  /** Responses without a readable final answer, those never sampled among them; summaries have none to read. */
  unreadable: number;
}

/** The texts of one kind by one slot in one phase of a run. */
export interface TextTally extends Pick<DebateHeld, 'purpose' | 'team' | 'iteration'>, TextCounts {
  kind: TextKind;
  /** 0..N−1; of a summary, the slot that reads it. */
  agent: number;
}

/** Counts per phase, kind and slot: phases in the order of the log, in them answers, revisions and summaries, in these the slots. */
export function tallyTexts(events: Iterable<RunEvent>): TextTally[] {
  const phases = new Map<string, Phase>();
  for (const event of events) {
    if (event.type !== 'debate') continue;
    const { purpose, team, iteration, responses, summaries = [] } = event;
    const key = `${purpose} ${team} ${iteration}`;
    const phase = phases.get(key) ?? { purpose, team, iteration, answer: [], revision: [], summary: [] };
    phases.set(key, phase);
    responses.forEach((round, m) => {
      const counts = m === 0 ? phase.answer : phase.revision;
      round.forEach((response, agent) => count(counts, agent, response, response.answer === null));
    });
    for (const round of summaries) round.forEach((summary, agent) => count(phase.summary, agent, summary, false));
  }
  return [...phases.values()].flatMap(({ answer, revision, summary, ...phase }) => [
    ...answer.map((counts, agent) => ({ ...phase, kind: 'answer' as const, agent, ...counts })),
    ...revision.map((counts, agent) => ({ ...phase, kind: 'revision' as const, agent, ...counts })),
    ...summary.map((counts, agent) => ({ ...phase, kind: 'summary' as const, agent, ...counts })),
  ]);
}

/** Counts by slot, of each kind. */
type Phase = Pick<DebateHeld, 'purpose' | 'team' | 'iteration'> & Record<TextKind, TextCounts[]>;

function count(slots: TextCounts[], agent: number, { tokens, finish, shortened }: LoggedSummary, unreadable: boolean) {
  const counts = (slots[agent] ??= { texts: 0, cut: 0, shortened: 0, unasked: 0, unreadable: 0 });
  counts.texts++;
  if (tokens === 0) counts.unasked++;
  else if (finish === 'length') counts.cut++;
  if (shortened) counts.shortened++;
  if (unreadable) counts.unreadable++;
}

/** Counts added up over the slots: one tally for each phase and kind, with the first one's slot. */
export function overSlots(tallies: readonly TextTally[]): TextTally[] {
  const sums = new Map<string, TextTally>();
  for (const tally of tallies) {
    const key = `${tally.purpose} ${tally.team} ${tally.iteration} ${tally.kind}`;
    const sum = sums.get(key);
    sums.set(key, sum ? { ...sum, ...added(sum, tally) } : tally);
  }
  return [...sums.values()];
}

function added(a: TextCounts, b: TextCounts): TextCounts {
  return {
    texts: a.texts + b.texts,
    cut: a.cut + b.cut,
    shortened: a.shortened + b.shortened,
    unasked: a.unasked + b.unasked,
    unreadable: a.unreadable + b.unreadable,
  };
}

/** Did anything happen to these texts? */
export function hasTrouble({ cut, shortened, unasked, unreadable }: TextCounts): boolean {
  return cut + shortened + unasked + unreadable > 0;
}
