/** Where a run stands, from its evaluations alone. */
import type { EvaluationDone } from '../events';
import type { RunScore } from './types';

/** The society's last evaluated debate beside the base's; null before the base was evaluated. */
export function runScore(evaluations: readonly EvaluationDone[]): RunScore | null {
  const base = evaluations.find(({ team, iteration }) => team === 'base' && iteration === 0);
  if (!base) return null;
  const last = evaluations
    .filter(({ team }) => team === 'society')
    .reduce((latest, one) => (one.iteration >= latest.iteration ? one : latest), base);
  const { right, n } = last.debate;
  return { iteration: last.iteration, right, n, base: { right: base.debate.right, n: base.debate.n } };
}
