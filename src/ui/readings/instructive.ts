/** The debate of a run that teaches most: one in which the society votes itself wrong, or learns from a wrong vote. */
import { headlineLearner, learnerLook } from '../looks';
import { MARKS, type DebateRow, type LogIndex } from './logIndex';

export interface Instructive {
  /** What there is to see, in a sentence. */
  sentence: string;
  /** How many such debates there are. */
  count: number;
  row: DebateRow;
}

const KINDS: readonly { marks: number; sentence: (count: number, who: string) => string }[] = [
  {
    marks: MARKS.spoiled,
    sentence: (count, who) =>
      `On ${count === 1 ? 'one problem' : `${count} problems`} the vote of ${who} was right after round 1 and wrong at the end.`,
  },
  {
    marks: MARKS.labelWrong,
    sentence: (count, who) =>
      `From ${count === 1 ? 'one wrong label' : `${count} wrong labels`} ${who} learnt as if ${count === 1 ? 'it' : 'they'} were right.`,
  },
  {
    marks: MARKS.voteWrong,
    sentence: (count, who) =>
      `${count === 1 ? 'One vote' : `${count} votes`} of ${who} ${count === 1 ? 'was' : 'were'} wrong.`,
  },
];

/** Of the learner that the run is about; null where nothing went wrong, or no true answer is known. */
export function instructiveDebate(index: LogIndex): Instructive | null {
  const learner = headlineLearner(index.cast);
  const own = index.rows.filter(({ debate }) => debate.learner === learner);
  for (const { marks, sentence } of KINDS) {
    const found = own.filter((row) => (row.marks & marks) !== 0);
    const [first] = found;
    if (!first) continue;
    // What was learnt from it, and how many agreed on it.
    const weight = (row: DebateRow) =>
      (row.marks & MARKS.labelWrong ? 1000 : 0) + (row.debate.votes.at(-1)?.count ?? 0);
    const row = found.reduce((best, one) => (weight(one) > weight(best) ? one : best), first);
    return { sentence: sentence(found.length, learnerLook(index.cast, learner).name), count: found.length, row };
  }
  return null;
}
