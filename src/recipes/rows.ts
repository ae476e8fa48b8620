/** Rows of settings that several recipes have, each in its own words. */
import { RUN_LIMITS } from '../engine/limits';
import { choice, integer } from './readers';
import { steps } from './settings';

/** What is read of the others' responses. */
export function summaryRow<P extends 'concatenate' | 'base-model'>(label: string, line: string, paper: P) {
  return {
    reader: choice('concatenate', 'base-model'),
    label,
    line,
    steps: [
      { value: 'base-model', label: 'a summary of them' },
      { value: 'concatenate', label: 'the responses as they are' },
    ],
    section: 'expert',
    paper,
    chat: true,
    absent: null,
  } as const;
}

/** Votes for an answer below which it is no label. */
export function minimumVotesRow(line: string) {
  return {
    reader: integer(1, RUN_LIMITS.agents.max),
    label: 'Votes a label needs',
    line,
    steps: steps(1, 2, 3, 4, 5, 6),
    section: 'expert',
    paper: 1,
  } as const;
}

/** Which weights an iteration's finetuning begins with; the paper's are offered first. @param who learns: "agent" */
export function startFromRow<P extends 'current' | 'base'>(who: string, line: string, paper: P) {
  const current = { value: 'current', label: `the current ${who}` };
  const base = { value: 'base', label: 'the untouched model' };
  return {
    reader: choice('current', 'base'),
    label: 'Finetuning starts from',
    line,
    steps: paper === 'base' ? [base, current] : [current, base],
    section: 'expert',
    paper,
  } as const;
}
