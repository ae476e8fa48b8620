/** The table of texts that were cut, shortened, never asked for or cannot be read. */
import { hasTrouble, overSeats, tallyTexts, type TextTally } from '../../log/responses';
import { agentLook } from '../agents';
import { inSentence, learnerLook } from '../looks';
import type { LogIndex } from './logIndex';
import type { DataTable } from '../../share/exports/table';

interface Texts {
  tallies: TextTally[];
  /** Kinds of turns that a final answer is read from. */
  answering: ReadonlySet<string>;
}

const cache = new WeakMap<LogIndex, Texts>();

/** `tallyTexts` of an indexed log, computed once. */
function textsOf(index: LogIndex): Texts {
  let texts = cache.get(index);
  if (!texts) {
    const episodes = index.rows.map(({ debate }) => debate.episode);
    const answering = new Set<string>();
    for (const { turns } of episodes)
      for (const { kind, answer } of turns) if (answer !== undefined) answering.add(kind);
    cache.set(index, (texts = { tallies: tallyTexts(episodes), answering }));
  }
  return texts;
}

export interface TextRow extends TextTally {
  /** "revisions", "revisions, agent B" */
  label: string;
  /** A final answer is read from such texts. */
  answers: boolean;
}

export interface TextPhase {
  /** "Training: society finetuning" */
  phase: string;
  rows: TextRow[];
}

/**
 * Rows of one iteration (0 = before finetuning), by phase.
 * @param eachAgent a row for each agent instead of one for all of them
 */
export function textPhases(index: LogIndex, iteration: number, eachAgent: boolean): TextPhase[] {
  const { tallies, answering } = textsOf(index);
  const wanted = tallies.filter((tally) => tally.iteration === iteration);
  const phases = new Map<string, TextRow[]>();
  for (const tally of eachAgent ? wanted : overSeats(wanted)) {
    const { purpose, learner, kind, seat } = tally;
    const who = inSentence(learnerLook(index.cast, learner).label);
    const phase = `${purpose === 'train' ? 'Training' : 'Evaluation'}: ${who}`;
    const label = eachAgent ? `${textsName(kind)}, agent ${agentLook(seat).letter}` : textsName(kind);
    phases.set(phase, [...(phases.get(phase) ?? []), { ...tally, label, answers: answering.has(kind) }]);
  }
  return Array.from(phases, ([phase, rows]) => ({ phase, rows }));
}

const KINDS: Readonly<Record<string, string>> = {
  answer: 'first answers',
  revision: 'revisions',
  summary: 'summaries',
  hint: 'answers with a hint',
};

/** Turns of a kind, in words. */
function textsName(kind: string): string {
  return (Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined) ?? `${kind}s`;
}

/** Did anything happen to any text of the log, in whichever iteration? */
export function anyTrouble(index: LogIndex): boolean {
  return textsOf(index).tallies.some(hasTrouble);
}

/** Every count of the log, for export. */
export function textTable(index: LogIndex): DataTable {
  const { tallies, answering } = textsOf(index);
  return {
    columns: [
      'purpose',
      'team',
      'iteration',
      'text',
      'agent',
      'texts',
      'cut',
      'quotesShortened',
      'notAsked',
      'unreadable',
    ],
    rows: tallies.map((tally) => [
      tally.purpose,
      tally.learner,
      tally.iteration,
      tally.kind,
      agentLook(tally.seat).letter,
      tally.texts,
      tally.cut,
      tally.shortened,
      tally.unasked,
      answering.has(tally.kind) ? tally.unreadable : null,
    ]),
  };
}
