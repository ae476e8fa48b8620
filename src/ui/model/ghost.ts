/** A pinned run under the curves of another one. */
import type { RunEvent } from '../../events';
import type { ChartData } from '../charts/data';
import { indexLog } from './logIndex';
import { accuracyByIteration, runResults } from './results';

/** The curves that are drawn of a pinned run: more would hide the run itself. */
const SHOWN = ['societyDebate', 'singleAgentDebate', 'debate'];

/** The accuracies with those of the pinned run's debates behind them, as ghosts. */
export function withGhost(data: ChartData, ghost: { name: string; events: readonly RunEvent[] } | null): ChartData {
  if (!ghost) return data;
  const behind = accuracyByIteration(runResults(indexLog(ghost.events)))
    .series.filter(({ id }) => SHOWN.includes(id))
    .map((series) => ({
      ...series,
      id: `ghost ${series.id}`,
      label: `${ghost.name}: ${series.label}`,
      ghost: true,
      // Error bars of two runs over each other cannot be told apart.
      points: series.points.map(({ x, y, note }) => ({ x, y, note })),
    }));
  return { ...data, series: [...behind, ...data.series] };
}
