/** A ledger as tables, for the page and for the command line. */
import { gapWarning, PROBLEM_FATES, type Ledger, type ProblemFate } from './ledger';

export interface LedgerTable {
  title: string;
  /** What the numbers say, in a sentence or two. */
  note: string;
  columns: string[];
  /** Numbers as they are, shares as text. */
  rows: (string | number)[][];
}

const FATE_WORDS: Readonly<Record<ProblemFate, string>> = {
  always: 'right in every test',
  learned: 'learned: wrong at first, right at last',
  degraded: 'degraded: right at first, wrong at last',
  never: 'right in no test',
  unsteady: 'unsteady: ends as it began, otherwise in between',
};

const percent = (part: number, of: number): string => (of === 0 ? '–' : `${((100 * part) / of).toFixed(1)} %`);
const points = (share: number): string => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`;

/** Those that have rows. */
export function ledgerTables(ledger: Ledger): LedgerTable[] {
  const { problems, fates, flips, revisions, votes, margins, gaps } = ledger;
  const rounds = revisions.length > 0;
  const tables: LedgerTable[] = [
    {
      title: 'What became of the held-out problems',
      note: `Counted by the answer of “${ledger.label}”, in the tests after iterations ${ledger.iterations.join(', ')}.`,
      columns: ['Problems', 'How many', 'Share'],
      rows:
        problems.length === 0
          ? []
          : PROBLEM_FATES.map((fate) => [FATE_WORDS[fate], fates[fate], percent(fates[fate], problems.length)]),
    },
    {
      title: 'How the majority’s answer changed since the test before',
      note: 'Many changes with little gain are noise. Changes among wrong answers gain nothing.',
      columns: ['Iteration', 'Wrong → right', 'Right → wrong', 'Wrong → another wrong', 'Of'],
      rows: flips.map(({ iteration, toRight, toWrong, amongWrong, n }) => [iteration, toRight, toWrong, amongWrong, n]),
    },
    {
      title: 'What revisions did to an agent’s own answer',
      note: 'Measured in tests. A debate gains where more answers become right than wrong.',
      columns: ['Iteration', 'Round', 'Wrong → right', 'Right → wrong', 'Of'],
      rows: revisions.map(({ iteration, round, toRight, toWrong, n }) => [iteration, round, toRight, toWrong, n]),
    },
    {
      title: 'The vote of round 1 beside that of the last round',
      note: 'Measured in tests. The difference is what the debate adds to a vote.',
      columns: ['Iteration', 'Round 1', 'Last round', 'Of'],
      rows: rounds
        ? votes.map(({ iteration, first, last, n }) => [iteration, percent(first, n), percent(last, n), n])
        : [],
    },
    {
      title: 'Labels by margin, last iteration',
      note: 'How many votes the answer leads by, and how often it is then right. Answers with too few votes for a label are counted too.',
      columns: ['Votes ahead', 'Labels', 'Right', 'Precision'],
      rows: margins.map(({ margin, problems: all, right }) => [margin, all, right, percent(right, all)]),
    },
    {
      title: 'Generation-verification gap',
      note: 'On training problems: share of right votes minus share of right first answers. Without a gap, votes are right no more often than single answers.',
      columns: ['Iteration', 'Points', '± standard error', 'Remark'],
      rows: gaps.map((gap) => [
        gap.iteration,
        points(gap.gap),
        (100 * gap.standardError).toFixed(1),
        gapWarning(gap) ?? '',
      ]),
    },
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

/** What the command line says of it: fates, the last iteration's changes and gap. */
export function ledgerLines(ledger: Ledger): string[] {
  const { fates, problems, flips, gaps } = ledger;
  const lines: string[] = [];
  if (problems.length > 0) {
    const shown = PROBLEM_FATES.map((fate) => `${fates[fate]} ${fate}`).join(', ');
    lines.push(`of ${problems.length} held-out problems, first test to last (${ledger.method}): ${shown}`);
  }
  const flip = flips.at(-1);
  if (flip)
    lines.push(
      `iteration ${flip.iteration}, the vote since the test before: ${flip.toRight} became right, ${flip.toWrong} wrong, ` +
        `${flip.amongWrong} changed among wrong answers`,
    );
  const gap = gaps.at(-1);
  if (gap) {
    const warning = gapWarning(gap);
    lines.push(
      `iteration ${gap.iteration}, generation-verification gap: ${points(gap.gap)} ± ${(100 * gap.standardError).toFixed(1)} points` +
        (warning === null ? '' : ` (${warning})`),
    );
  }
  return lines;
}
