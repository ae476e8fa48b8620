/** A pinned run under the curves of another one. */
import type { RunEvent } from '../../events';
import type { ChartData } from '../charts/data';
import { indexLog } from './logIndex';
import { headlineOf } from './paired';
import { accuracyByIteration } from './results';

/** The accuracies with those of the pinned run behind them, as ghosts: methods that answer as its headline does, since more hide the run. */
export function withGhost(data: ChartData, ghost: { name: string; events: readonly RunEvent[] } | null): ChartData {
  if (!ghost) return data;
  const index = indexLog(ghost.events);
  const answer = headlineOf(index.cast)?.method.answer;
  const shown = index.cast.methods.filter((method) => method.answer === answer).map(({ key }) => key);
  const behind = accuracyByIteration(index)
    .series.filter(({ id }) => shown.includes(id))
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
