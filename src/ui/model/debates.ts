/** The debate viewer's questions to a log: which debates, and where each response went. */
import type { DatasetEntry, DebateHeld, Team } from '../../events';
import { DROPPED, pseudoLabel } from '../../society/selection';
import type { Split } from '../../tasks/types';
import { MARKS, sameAnswer, type DebateRow, type LogIndex, type Mark } from './logIndex';

/** null = no restriction. */
export interface DebateFilter {
  iteration: number | null;
  team: Team | null;
  purpose: Split | null;
  /** All of these must hold. */
  marks: readonly Mark[];
  /** Part of the problem, of an answer or of a response's text, upper and lower case alike; '' = everything. */
  search: string;
}

export const NO_FILTER: DebateFilter = { iteration: null, team: null, purpose: null, marks: [], search: '' };

/** The debates that pass, in the order of the log. One pass. */
export function filterDebates(rows: readonly DebateRow[], filter: DebateFilter): DebateRow[] {
  const marks = filter.marks.reduce((sum, mark) => sum | MARKS[mark], 0);
  const search = filter.search.trim();
  // A pattern looks at texts where they are; lower-casing every text of a run copies megabytes a keystroke.
  const pattern = new RegExp(search.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
  return rows.filter(({ debate, problem, marks: has }) => {
    if (filter.iteration !== null && debate.iteration !== filter.iteration) return false;
    if (filter.team !== null && debate.team !== filter.team) return false;
    if (filter.purpose !== null && debate.purpose !== filter.purpose) return false;
    if ((has & marks) !== marks) return false;
    return search === '' || (problem !== null && pattern.test(problem.question)) || mentions(debate, pattern, search);
  });
}

function mentions(debate: DebateHeld, pattern: RegExp, search: string): boolean {
  return debate.responses.some((round) => round.some(({ answer, text }) => answer === search || pattern.test(text)));
}

/** What became of a response. */
export type Route =
  /** An example of these adapters' data sets (the single-agent baseline's and a generator's never share a debate). */
  | { to: 'dataset'; kind: DatasetEntry['kind']; adapter: string; why: string }
  | { to: 'dropped'; why: string }
  /** Nobody learns from it, by the method's rules. */
  | { to: 'unused'; why: string }
  /** The run has not come to selecting yet. */
  | { to: 'pending'; why: string };

const WHY: Record<DatasetEntry['kind'], string> = {
  G: 'first-round answer equals the vote',
  'C-': 'first answer differed from the vote, the revised one equals it',
  'C+': 'first and last answer equal the vote',
  M: 'answer equals the majority',
};

/**
 * Where each response of a debate went and why: routes[m][n] for agent n in round m + 1. What was used is read from the data
 * sets of the log; the reasons of the others follow the same rules as the selection (src/society/selection.ts).
 */
export function routesOf(index: LogIndex, debate: DebateHeld): Route[][] {
  const used = usedResponses(index, debate);
  const rejection = rejectionOf(index, debate);
  return debate.responses.map((round, m) =>
    round.map((_, n): Route => {
      const rule = ruledOut(debate, m);
      if (rule) return { to: 'unused', why: rule };
      if (!used) return { to: 'pending', why: 'the examples of this iteration are not selected yet' };
      const example = used.get(`${m} ${n}`);
      if (example) return { to: 'dataset', ...example, why: WHY[example.kind] };
      return { to: 'dropped', why: rejection(m, n) };
    }),
  );
}

/** Why no response of this round could be an example, whatever it says. */
function ruledOut(debate: DebateHeld, round: number): string | null {
  if (debate.purpose === 'evaluation') return 'held-out problem: never trained on';
  if (debate.team === 'base') return 'the base is never finetuned';
  if (round > 0 && round < debate.responses.length - 1) return 'only the first and the last round become examples';
  return null;
}

/** Examples made from this debate by "round agent"; null while the iteration's data sets are not in the log. */
function usedResponses(
  index: LogIndex,
  debate: DebateHeld,
): Map<string, { kind: DatasetEntry['kind']; adapter: string }> | null {
  const sets = (index.datasets.get(debate.iteration) ?? []).filter(
    ({ adapter }) => (adapter === 'single') === (debate.team === 'single'),
  );
  if (sets.length === 0) return null;
  const used = new Map<string, { kind: DatasetEntry['kind']; adapter: string }>();
  for (const { adapter, entries } of sets) {
    for (const { problem, agent, round, kind } of entries) {
      if (problem === debate.problem) used.set(`${round - 1} ${agent}`, { kind, adapter });
    }
  }
  return used;
}

function rejectionOf(index: LogIndex, debate: DebateHeld): (round: number, agent: number) => string {
  const verdict = pseudoLabel(debate, index.started?.config.minimumVotes ?? 1);
  if ('rejected' in verdict) return () => verdict.rejected;
  return (round, agent) => {
    const answer = debate.responses[round]?.[agent]?.answer ?? null;
    return sameAnswer(index, answer, verdict.label) ? DROPPED.share : DROPPED.differs;
  };
}

export interface TallyLine {
  /** null = unreadable. */
  answer: string | null;
  /** Agents (0-based) that gave it. */
  agents: number[];
  /** It is the vote's answer. */
  won: boolean;
}

/** Answers of one round (0-based) with who gave them: most votes first, unreadable last. */
export function tallyOf(index: LogIndex, debate: DebateHeld, round: number): TallyLine[] {
  const lines: TallyLine[] = [];
  const winner = debate.votes[round]?.answer ?? null;
  (debate.responses[round] ?? []).forEach(({ answer }, agent) => {
    const line = lines.find((known) =>
      answer === null ? known.answer === null : sameAnswer(index, known.answer, answer),
    );
    if (line) line.agents.push(agent);
    else lines.push({ answer, agents: [agent], won: sameAnswer(index, answer, winner) });
  });
  const rank = (line: TallyLine) => (line.answer === null ? 1e9 : line.won ? -1e9 : -line.agents.length);
  return lines.sort((a, b) => rank(a) - rank(b));
}
