/** The debate viewer's questions to a log: which episodes, and where each response went. */
import { groupName, type Episode, type TurnRef } from '../../events';
import type { Split } from '../../tasks/types';
import type { Fate } from '../../society/fate';
import { DROPPED } from '../../society/selection';
import type { EpisodeView } from './episodes';
import { MARKS, sameAnswer, type DebateRow, type LogIndex, type Mark } from './logIndex';

/** null = no restriction. */
export interface DebateFilter {
  iteration: number | null;
  learner: string | null;
  purpose: Split | null;
  /** All of these must hold. */
  marks: readonly Mark[];
  /** Part of the problem, of an answer or of a response's text, upper and lower case alike; '' = everything. */
  search: string;
}

/** Names a debate in an address: its group and its problem. */
export function debateName({ debate }: DebateRow): string {
  return `${groupName(debate)}/${debate.problem}`;
}

export const NO_FILTER: DebateFilter = { iteration: null, learner: null, purpose: null, marks: [], search: '' };

/** The debates that pass, in the order of the log. One pass. */
export function filterDebates(rows: readonly DebateRow[], filter: DebateFilter): DebateRow[] {
  const marks = filter.marks.reduce((sum, mark) => sum | MARKS[mark], 0);
  const search = filter.search.trim();
  // A pattern looks at texts where they are; lower-casing every text of a run copies megabytes a keystroke.
  const pattern = new RegExp(search.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
  return rows.filter(({ debate, problem, marks: has }) => {
    if (filter.iteration !== null && debate.iteration !== filter.iteration) return false;
    if (filter.learner !== null && debate.learner !== filter.learner) return false;
    if (filter.purpose !== null && debate.purpose !== filter.purpose) return false;
    if ((has & marks) !== marks) return false;
    return search === '' || (problem !== null && pattern.test(problem.question)) || mentions(debate, pattern, search);
  });
}

function mentions(debate: EpisodeView, pattern: RegExp, search: string): boolean {
  return debate.responses.some((round) => round.some(({ answer, text }) => answer === search || pattern.test(text)));
}

/** What became of a response. */
export type Route =
  /** An example of this adapter's data set. */
  | { to: 'dataset'; kind: string; adapter: string; why: string }
  | { to: 'dropped'; why: string }
  /** Nobody learns from it, by the method's rules. */
  | { to: 'unused'; why: string }
  /** The run has not come to selecting yet. */
  | { to: 'pending'; why: string };

/**
 * Where each response of an episode went and why: routes[m][n] as its responses. What was used is read from the data sets of the log;
 * the reasons of the others are the recipe's own rule (`Recipe.fate`).
 */
export function routesOf(index: LogIndex, { episode, places }: EpisodeView): Route[][] {
  const fates = fatesOf(index, episode);
  const used = usedTurns(index, episode);
  return places.map((layer) =>
    layer.map((at): Route => {
      const fate = fates[at];
      const example = used?.get(at);
      if (example) return { to: 'dataset', ...example, why: fate?.to === 'dataset' ? fate.why : example.kind };
      if (!fate) return { to: 'unused', why: index.recipe ? NO_RULE : UNKNOWN_RECIPE };
      if (fate.to === 'unused') return fate;
      if (!used) return { to: 'pending', why: 'the examples of this iteration are not selected yet' };
      // It could be an example, and the data set has it not: left out when sets were mixed.
      return { to: 'dropped', why: fate.to === 'dropped' ? fate.why : DROPPED.share };
    }),
  );
}

const UNKNOWN_RECIPE = 'this version of the lab does not know the recipe of this run';
const NO_RULE = 'the recipe does not say what becomes of it';

/** What the recipe's rule says of each turn; empty where this version does not know the recipe. */
export function fatesOf({ recipe, started, equal }: LogIndex, episode: Episode): Fate[] {
  return (started && recipe?.fate?.(episode, started.config, (a, b) => a === b || equal(a, b))) ?? [];
}

/** Examples made of an episode, by turn; null while no data set of its group is in the log. */
function usedTurns(index: LogIndex, episode: Episode): Map<number, { kind: string; adapter: string }> | null {
  const name = groupName(episode);
  const sets = index.datasets.get(episode.iteration) ?? [];
  if (!sets.some(({ from }) => groupName(from) === name)) return null;
  const used = new Map<number, { kind: string; adapter: string }>();
  for (const { adapter, from, examples } of sets) {
    const isHere = ({ group = from, problem }: TurnRef) => problem === episode.problem && groupName(group) === name;
    for (const example of examples) {
      const { turn, kind, rejected } = example;
      if (isHere(example)) used.set(turn, { kind, adapter });
      if (rejected && isHere(rejected)) used.set(rejected.turn, { kind: 'rejected', adapter });
    }
  }
  return used;
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
export function tallyOf(index: LogIndex, debate: EpisodeView, round: number): TallyLine[] {
  const lines: TallyLine[] = [];
  const winner = debate.votes[round]?.answer ?? null;
  (debate.responses[round] ?? []).forEach(({ answer = null, seat: agent }) => {
    const line = lines.find((known) =>
      answer === null ? known.answer === null : sameAnswer(index, known.answer, answer),
    );
    if (line) line.agents.push(agent);
    else lines.push({ answer, agents: [agent], won: sameAnswer(index, answer, winner) });
  });
  const rank = (line: TallyLine) => (line.answer === null ? 1e9 : line.won ? -1e9 : -line.agents.length);
  return lines.sort((a, b) => rank(a) - rank(b));
}
