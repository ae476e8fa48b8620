/** Where a run stands, from its evaluations alone. */
import type { Cast, EvaluationDone } from '../../events';
import { baseLearnerOf, scoreOf } from '../../log/results';
import type { RunScore } from '../types';

/** The last score of the method that the run's first comparison is about; null before the base was evaluated. */
export function runScore(cast: Cast, evaluations: readonly EvaluationDone[]): RunScore | null {
  const [headline, against] = cast.compare[0] ?? [];
  const method = cast.methods.find(({ key }) => key === headline);
  const other = cast.methods.find(({ key }) => key === against);
  if (!method || !other) return null;
  const of = (learner: string, iteration: number) =>
    evaluations.find((one) => one.learner === learner && one.iteration === iteration);
  const base = scoreOf(cast, { ...other, learner: baseLearnerOf(cast) }, 0, of);
  if (!base) return null;
  const iteration = evaluations
    .filter(({ learner }) => learner === method.learner)
    .reduce((latest, one) => Math.max(latest, one.iteration), 0);
  const score = scoreOf(cast, method, iteration, of);
  if (!score) return null;
  return { iteration, right: score.right, n: score.n, base: { right: base.right, n: base.n } };
}
