/** The table of texts that were cut, shortened, never asked for or cannot be read. */
import { hasTrouble, overSlots, tallyTexts, type TextKind, type TextTally } from '../../log/responses';
import { agentLook } from '../agents';
import type { LogIndex } from './logIndex';
import { TEAM_LABEL } from './results';
import type { DataTable } from './table';

const cache = new WeakMap<LogIndex, TextTally[]>();

/** `tallyTexts` of an indexed log, computed once. */
export function textTallies(index: LogIndex): TextTally[] {
  let tallies = cache.get(index);
  if (!tallies) cache.set(index, (tallies = tallyTexts(index.rows.map(({ debate }) => debate))));
  return tallies;
}

export interface TextRow extends TextTally {
  /** "revisions", "revisions, agent B" */
  label: string;
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
  const tallies = textTallies(index).filter((tally) => tally.iteration === iteration);
  const phases = new Map<string, TextRow[]>();
  for (const tally of eachAgent ? tallies : overSlots(tallies)) {
    const phase = `${tally.purpose === 'train' ? 'Training' : 'Evaluation'}: ${TEAM_LABEL[tally.team].toLowerCase()}`;
    const label = eachAgent ? `${KINDS[tally.kind]}, agent ${agentLook(tally.agent).letter}` : KINDS[tally.kind];
    phases.set(phase, [...(phases.get(phase) ?? []), { ...tally, label }]);
  }
  return Array.from(phases, ([phase, rows]) => ({ phase, rows }));
}

const KINDS: Record<TextKind, string> = { answer: 'first answers', revision: 'revisions', summary: 'summaries' };

/** Did anything happen to any text of the log, in whichever iteration? */
export function anyTrouble(index: LogIndex): boolean {
  return textTallies(index).some(hasTrouble);
}

/** Every count of the log, for export. */
export function textTable(index: LogIndex): DataTable {
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
    rows: textTallies(index).map((tally) => [
      tally.purpose,
      tally.team,
      tally.iteration,
      tally.kind,
      agentLook(tally.agent).letter,
      tally.texts,
      tally.cut,
      tally.shortened,
      tally.unasked,
      tally.kind === 'summary' ? null : tally.unreadable,
    ]),
  };
}
