/**
 * What lies behind a comparison's accuracies, test by test: what each seat had right, which strategies its first answers show, repair, and the
 * precision of the labels. A pure view of the logs.
 */
import { groupName, type Cast, type Episode, type EvaluationDone, type PseudoLabels, type RunEvent } from '../events';
import { countStrategies, sumStrategies, type StrategyCount } from '../society/strategies';
import type { Strategies, Ungraded } from '../tasks/types';
import { baseLearnerOf } from './results';
import type { ComparedLog } from './comparison';

/** A learner of a recipe over all seeds. */
export interface ComparedLearner {
  /** `recipe/learner`; `base` for the untouched model, that of the first recipe where recipes have others. */
  key: string;
  recipe: string;
  label: string;
  runs: LearnerRun[];
}

export interface LearnerRun {
  seed: number;
  tests: LearnerTest[];
  /** Of each iteration that voted. */
  labels: { iteration: number; problems: number; accepted: number; right: number }[];
}

/** A learner after an iteration; 0 = before the first one. */
export interface LearnerTest {
  iteration: number;
  n: number;
  /** First answers that are right, by seat. */
  seats: number[];
  /** Right answers of each method. */
  right: Record<string, number>;
  /** Mean share of seats that gave the winning first answer; absent where nobody voted. */
  consensus?: number;
  /** On tasks whose responses show a strategy, over the first answers of all seats. */
  strategies?: {
    /** Mean over seats of the share of its most frequent strategy. */
    top: number;
    inside: number;
    repaired: number;
  };
}

/** The learners of the logs, in the order of recipes. @param strategies of the task, where responses show one */
export function comparedLearners(logs: readonly ComparedLog[], strategies?: Strategies): ComparedLearner[] {
  const found = new Map<string, ComparedLearner>();
  for (const { recipe, seed, events } of logs) {
    const cast = events.find((event) => event.type === 'run-started');
    if (!cast) continue;
    for (const learner of cast.learners) {
      const run = learnerRun(seed, events, cast, learner.key, strategies);
      if (run.tests.length === 0) continue;
      const base =
        learner.key === baseLearnerOf(cast) && !(found.get('base')?.runs ?? []).some((one) => contradicts(one, run));
      const key = base ? 'base' : `${recipe}/${learner.key}`;
      const known = found.get(key) ?? { key, recipe: base ? 'base' : recipe, label: learner.label, runs: [] };
      found.set(key, known);
      // Recipes that have one untouched model test it with the same draws; the first says what it can do.
      if (!known.runs.some((one) => one.seed === seed)) known.runs.push(run);
    }
  }
  return [...found.values()];
}

/** Do two runs of a seed test one method with other results? Then their models, problems or draws are not the same. */
function contradicts(one: LearnerRun, other: LearnerRun): boolean {
  const [here, there] = [one.tests[0], other.tests[0]];
  if (one.seed !== other.seed || !here || !there) return false;
  const shared = Object.keys(here.right).filter((method) => Object.hasOwn(there.right, method));
  return here.n !== there.n || shared.some((method) => here.right[method] !== there.right[method]);
}

function learnerRun(
  seed: number,
  events: readonly RunEvent[],
  cast: Cast,
  learner: string,
  strategies: Strategies | undefined,
): LearnerRun {
  const problems = new Map<number, Ungraded>();
  const groups = new Map<string, Episode[]>();
  for (const event of events) {
    if (event.type === 'problems') for (const problem of event.problems) problems.set(problem.id, problem);
    if (event.type !== 'episode' || event.purpose !== 'evaluation' || event.learner !== learner) continue;
    if (event.part !== undefined) continue;
    const name = groupName(event);
    const known = groups.get(name);
    if (known) known.push(event);
    else groups.set(name, [event]);
  }
  const tests = events.filter(
    (event): event is EvaluationDone => event.type === 'evaluation' && event.learner === learner,
  );
  const voted = events.filter(
    (event): event is PseudoLabels => event.type === 'pseudo-labels' && event.learner === learner,
  );
  return {
    seed,
    tests: tests.map((test) => {
      const name = groupName({ purpose: 'evaluation', learner, iteration: test.iteration });
      const counts = strategies ? countStrategies(strategies, (id) => problems.get(id), groups.get(name) ?? []) : [];
      return learnerTest(test, cast, counts);
    }),
    labels: voted.map(({ iteration, problems: count, accepted, acceptedRight }) => ({
      iteration,
      problems: count,
      accepted,
      right: acceptedRight,
    })),
  };
}

function learnerTest(
  { iteration, scores, layers, learner }: EvaluationDone,
  { methods }: Cast,
  counts: readonly StrategyCount[],
): LearnerTest {
  const [first] = layers;
  const own = scores.filter(({ method }) => methods.some(({ key, learner: of }) => key === method && of === learner));
  const { inside, repaired } = sumStrategies(counts);
  const tops = counts.map(({ answers, shown }) => Math.max(0, ...Object.values(shown)) / Math.max(1, answers));
  const top = tops.reduce((sum, one) => sum + one, 0) / Math.max(1, tops.length);
  return {
    iteration,
    n: scores[0]?.n ?? 0,
    seats: (first?.seats ?? []).map(({ right }) => right),
    right: Object.fromEntries(own.map(({ method, right }) => [method, right])),
    ...(first?.consensus !== undefined && { consensus: first.consensus }),
    ...(counts.length > 0 && { strategies: { top, inside, repaired } }),
  };
}
