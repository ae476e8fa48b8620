/** The vote flow's panels: one an iteration, for answers or for votes. */
import { baseLearnerOf } from '../../log/results';
import type { Split } from '../../tasks/types';
import { totalOf, TRANSITIONS, type Transitions } from './flow';
import { groupKey, type LogIndex } from './logIndex';
import type { DataTable } from '../../share/exports/table';

export type Level = 'answers' | 'votes';

export interface FlowPanel {
  iteration: number;
  /** Index m: from round m + 1 to round m + 2. */
  moves: Transitions[];
}

/** Iterations in order. On held-out problems a learner begins at 0 with the base: a fresh adapter answers as the base does. */
export function flowPanels(index: LogIndex, purpose: Split, learner: string, level: Level): FlowPanel[] {
  const panels: FlowPanel[] = [];
  for (const group of index.groups.values()) {
    if (group.purpose !== purpose || group.learner !== learner || group.flow[level].length === 0) continue;
    panels.push({ iteration: group.iteration, moves: group.flow[level] });
  }
  const baseKey = baseLearnerOf(index.cast);
  const base = index.groups.get(groupKey('evaluation', baseKey, 0));
  if (purpose === 'evaluation' && learner !== baseKey && panels.length > 0 && base) {
    panels.push({ iteration: 0, moves: base.flow[level] });
  }
  return panels.sort((a, b) => a.iteration - b.iteration);
}

/** Learners and purposes whose debates have more than one round. */
export function flowChoices(index: LogIndex): { purpose: Split; learner: string }[] {
  const seen = new Map<string, { purpose: Split; learner: string }>();
  for (const { purpose, learner, flow } of index.groups.values()) {
    if (flow.answers.length > 0) seen.set(`${purpose} ${learner}`, { purpose, learner });
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
