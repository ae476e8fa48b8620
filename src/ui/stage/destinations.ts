/** Where the responses of a debate go after its vote: into which data set, or nowhere and why. */
import type { DebateHeld } from '../../events';
import { DROPPED, pseudoLabel } from '../../society/selection';
import { sameAnswer, type LogIndex } from '../model/logIndex';

/** Where a response of a training debate goes, by the rules of selection. */
export interface Destination {
  bin: Bin;
  /** In words, for dropped ones. */
  why: string;
}
export type Bin = 'G' | 'C-' | 'C+' | 'M' | 'dropped';

/** Of an agent's first and last response. */
export interface Destinations {
  first: Destination | null;
  last: Destination | null;
}

/** Where the agent's responses go, after the vote. The share w is applied later, when all debates of the iteration are held. */
export function destinationsOf(index: LogIndex, debate: DebateHeld, slot: number, minimumVotes: number): Destinations {
  if (debate.purpose !== 'train' || debate.team === 'base') return { first: null, last: null };
  const verdict = pseudoLabel(debate, minimumVotes);
  const agrees = (round: number) =>
    'label' in verdict && sameAnswer(index, debate.responses[round]?.[slot]?.answer ?? null, verdict.label);
  const dropped: Destination = { bin: 'dropped', why: 'label' in verdict ? DROPPED.differs : verdict.rejected };
  const last = debate.responses.length - 1;
  const used = (bin: Bin): Destination => ({ bin, why: '' });
  const kind = debate.team === 'single' ? 'M' : 'G';
  return {
    first: agrees(0) ? used(kind) : dropped,
    last: last === 0 ? null : agrees(last) ? used(agrees(0) ? 'C+' : 'C-') : dropped,
  };
}
