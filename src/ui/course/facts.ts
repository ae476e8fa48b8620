/** Numbers of a run that pages ask for and questions answer with: pure readings of its log. */
import type { PseudoLabels } from '../../events';
import { pairedComparison, type PairedComparison } from '../../society/statistics';
import { evaluationOf, evaluationsOf, lastEvaluated } from '../readings/evaluations';
import { emptyTransitions, type Transitions } from '../readings/flow';
import { groupKey, type LogIndex } from '../readings/logIndex';

/** Right answers of a method, after the last iteration unless another is named; null where it was not tested. */
export function rightOf(
  index: LogIndex,
  method: string,
  iteration = lastEvaluated(index),
): { right: number; n: number } | null {
  const known = index.cast.methods.find(({ key }) => key === method);
  const score = known && evaluationOf(index, known, iteration);
  return score ? { right: score.right, n: score.n } : null;
}

/** Two methods on the same problems; null where one was not tested. */
export function compared(
  index: LogIndex,
  first: readonly [method: string, iteration: number],
  second: readonly [method: string, iteration: number],
): PairedComparison | null {
  const [a, b] = [first, second].map(([method, iteration]) => {
    const known = index.cast.methods.find(({ key }) => key === method);
    return known && evaluationOf(index, known, iteration);
  });
  return a && b && a.correct.length === b.correct.length ? pairedComparison(a.correct, b.correct) : null;
}

/** The comparison that the run's headline makes, after its last test; null before there is one. */
export function headlineComparison(index: LogIndex): PairedComparison | null {
  const [first, second] = index.cast.compare[0] ?? [];
  const iteration = lastEvaluated(index);
  return first && second ? compared(index, [first, iteration], [second, iteration]) : null;
}

/** Moves of votes between the first two rounds of a test. */
export function votesMoved(index: LogIndex, learner: string, iteration: number): Transitions {
  return index.groups.get(groupKey('evaluation', learner, iteration))?.flow.votes[0] ?? emptyTransitions();
}

/** The newest labels that a learner learnt from; null where there are none. */
export function labelsOf(index: LogIndex, learner: string): PseudoLabels | null {
  const all = index.summary.filter((event): event is PseudoLabels => event.type === 'pseudo-labels');
  return all.findLast((event) => event.learner === learner) ?? null;
}

/** Examples of a kind in an adapter's newest data set. */
export function examplesOf(index: LogIndex, adapter: string, kind: string): number | null {
  const sets = [...index.datasets.values()].flat().filter((set) => set.adapter === adapter);
  return sets.at(-1)?.examples.filter((example) => example.kind === kind).length ?? null;
}

/** Steps that an adapter was trained. */
export function stepsOf(index: LogIndex, adapter: string): number {
  return index.summary.filter(
    (event) => event.type === 'training-step' && event.tracks.some((track) => track.adapter === adapter),
  ).length;
}

/** Share of first answers that are in the majority, in a learner's first test (or the base's) and in its last one; null before there is one. */
export function consensusOf(index: LogIndex, learner: string): { first: number; last: number } | null {
  const tests = evaluationsOf(index);
  const first = tests.find((test) => test.learner === learner && test.iteration === 0) ?? tests[0];
  const last = tests.findLast((test) => test.learner === learner);
  const [before, after] = [first?.layers[0]?.consensus, last?.layers[0]?.consensus];
  return before === undefined || after === undefined || first === last ? null : { first: before, last: after };
}
