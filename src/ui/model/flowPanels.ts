/** The vote flow's panels: one an iteration, for answers or for votes. */
import type { Team } from '../../events';
import type { Split } from '../../tasks/types';
import { totalOf, TRANSITIONS, type Transitions } from './flow';
import { groupKey, type LogIndex } from './logIndex';
import type { DataTable } from './table';

export type Level = 'answers' | 'votes';

export interface FlowPanel {
  iteration: number;
  /** Index m: from round m + 1 to round m + 2. */
  moves: Transitions[];
}

/** Iterations in order. On held-out problems a finetuned team begins at 0 with the base: a fresh adapter answers as the base does. */
export function flowPanels(index: LogIndex, purpose: Split, team: Team, level: Level): FlowPanel[] {
  const panels: FlowPanel[] = [];
  for (const group of index.groups.values()) {
    if (group.purpose !== purpose || group.team !== team || group.flow[level].length === 0) continue;
    panels.push({ iteration: group.iteration, moves: group.flow[level] });
  }
  const base = index.groups.get(groupKey('evaluation', 'base', 0));
  if (purpose === 'evaluation' && team !== 'base' && panels.length > 0 && base) {
    panels.push({ iteration: 0, moves: base.flow[level] });
  }
  return panels.sort((a, b) => a.iteration - b.iteration);
}

/** Teams and purposes whose debates have more than one round. */
export function flowChoices(index: LogIndex): { purpose: Split; team: Team }[] {
  const seen = new Map<string, { purpose: Split; team: Team }>();
  for (const { purpose, team, flow } of index.groups.values()) {
    if (flow.votes.length > 0) seen.set(`${purpose} ${team}`, { purpose, team });
  }
  return [...seen.values()];
}

export function flowTable(panels: readonly FlowPanel[]): DataTable {
  return {
    columns: ['iteration', 'from round', 'to round', ...TRANSITIONS.map(({ label }) => label), 'all'],
    rows: panels.flatMap(({ iteration, moves }) =>
      moves.map((one, m) => [iteration, m + 1, m + 2, ...TRANSITIONS.map(({ key }) => one[key]), totalOf(one)]),
    ),
  };
}

/** The picture in words, newest iteration first to last round. */
export function flowSummary(panels: readonly FlowPanel[], level: Level): string {
  if (panels.length === 0) return 'Nothing to draw yet.';
  return panels
    .map(({ iteration, moves }) => {
      const rounds = moves.map((one, m) => {
        const what = level === 'votes' ? 'votes' : 'answers';
        return `from round ${m + 1} to ${m + 2}, of ${totalOf(one)} ${what} ${one.rightRight} stayed right, ${one.wrongRight} were corrected, ${one.rightWrong} were spoiled, ${one.wrongWrong} stayed wrong`;
      });
      return `Iteration ${iteration}: ${rounds.join('; ')}.`;
    })
    .join(' ');
}
