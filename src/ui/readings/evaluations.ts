/** What a log's evaluations say, looked up once for all views. */
import type { EvaluationDone, Method } from '../../events';
import { resultsOf, scoreOf, type RunResults } from '../../log/results';
import { headlineLearner } from '../looks';
import type { LogIndex } from './logIndex';

/** What an evaluation says of one method. */
export type MethodEvaluation = EvaluationDone['scores'][number];

interface Known {
  results: RunResults;
  /** By learner and iteration, in the order of the log. */
  evaluations: Map<string, EvaluationDone>;
}

const cache = new WeakMap<LogIndex, Known>();

function known(index: LogIndex): Known {
  let found = cache.get(index);
  if (found) return found;
  found = { results: resultsOf(index.summary), evaluations: new Map() };
  for (const event of index.summary) {
    if (event.type === 'evaluation') found.evaluations.set(`${event.learner} ${event.iteration}`, event);
  }
  cache.set(index, found);
  return found;
}

/** `resultsOf` on an index. */
export function runResults(index: LogIndex): RunResults {
  return known(index).results;
}

/** All evaluations, in the order of the log. */
export function evaluationsOf(index: LogIndex): EvaluationDone[] {
  return [...known(index).evaluations.values()];
}

/** A learner's test after an iteration; 0: before it learnt anything. Undefined where there was none. */
export function testAt(index: LogIndex, learner: string, iteration: number): EvaluationDone | undefined {
  return known(index).evaluations.get(`${learner} ${iteration}`);
}

/** What is known of a method after an iteration (`scoreOf`); undefined where it was not evaluated. */
export function evaluationOf(index: LogIndex, method: Method, iteration: number): MethodEvaluation | undefined {
  return scoreOf(index.cast, method, iteration, (learner, l) => testAt(index, learner, l));
}

/** The last iteration after which the learner of the first comparison was evaluated; 0 before there is one. */
export function lastEvaluated(index: LogIndex): number {
  const learner = headlineLearner(index.cast);
  const iterations = evaluationsOf(index).filter((event) => event.learner === learner);
  return Math.max(0, ...iterations.map(({ iteration }) => iteration));
}
