/** How the texts of a run came about: what was cut, shortened, never asked for or cannot be read. It explains bad accuracies. */
import type { Episode, RunEvent, Turn } from '../events';

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

/** The texts of one kind by one seat in one phase of a run. */
export interface TextTally extends Pick<Episode, 'purpose' | 'learner' | 'iteration'>, TextCounts {
  /** Kind of the turns. */
  kind: string;
  /** 0..N−1; of a summary, the seat that reads it. */
  seat: number;
}

/** Kinds in the order in which they are told; others follow in the order of the log. */
const ORDER = ['answer', 'revision', 'summary'];

/** Counts per phase, kind and seat: phases in the order of the log, in them the kinds, in these the seats. */
export function tallyTexts(events: Iterable<RunEvent>): TextTally[] {
  const phases = new Map<
    string,
    { key: Pick<TextTally, 'purpose' | 'learner' | 'iteration'>; kinds: Map<string, TextCounts[]> }
  >();
  for (const event of events) {
    if (event.type !== 'episode') continue;
    const { purpose, learner, iteration, turns } = event;
    const name = `${purpose} ${learner} ${iteration}`;
    let phase = phases.get(name);
    if (!phase) phases.set(name, (phase = { key: { purpose, learner, iteration }, kinds: new Map() }));
    for (const turn of turns) {
      let seats = phase.kinds.get(turn.kind);
      if (!seats) phase.kinds.set(turn.kind, (seats = []));
      count(seats, turn);
    }
  }
  return [...phases.values()].flatMap(({ key, kinds }) =>
    [...kinds.keys()]
      .sort((a, b) => place(a) - place(b))
      .flatMap((kind) => (kinds.get(kind) ?? []).map((counts, seat) => ({ ...key, kind, seat, ...counts }))),
  );
}

function place(kind: string): number {
  const at = ORDER.indexOf(kind);
  return at < 0 ? ORDER.length : at;
}

function count(seats: TextCounts[], { seat, tokens, finish, shortened, answer }: Turn): void {
  const counts = (seats[seat] ??= { texts: 0, cut: 0, shortened: 0, unasked: 0, unreadable: 0 });
  counts.texts++;
  if (tokens === 0) counts.unasked++;
  else if (finish === 'length') counts.cut++;
  if (shortened) counts.shortened++;
  if (answer === null) counts.unreadable++;
}

/** Counts added up over the seats: one tally for each phase and kind, with the first one's seat. */
export function overSeats(tallies: readonly TextTally[]): TextTally[] {
  const sums = new Map<string, TextTally>();
  for (const tally of tallies) {
    const key = `${tally.purpose} ${tally.learner} ${tally.iteration} ${tally.kind}`;
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
