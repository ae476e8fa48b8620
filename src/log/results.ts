/** The results of a run as a pure view of its log: what the page draws and the command line prints. */
import type {
  Cast,
  DatasetBuilt,
  EvaluationDone,
  Measured,
  Method,
  MethodScore,
  PseudoLabels,
  RunEvent,
  RunStarted,
} from '../events';
import { standing } from './superseded';
import {
  pairedComparison,
  recoveredGap,
  wilsonInterval,
  type PairedComparison,
  type RecoveredGap,
} from '../society/statistics';

export interface Score {
  right: number;
  n: number;
  /** right / n */
  accuracy: number;
  /** 95 %, Wilson. */
  interval: [number, number];
  /** Problems without a readable answer; they count as wrong. */
  unreadable: number;
}

export interface LabelQuality {
  problems: number;
  accepted: number;
  /** accepted / problems */
  coverage: number;
  /** Right among the accepted; null when none was accepted. */
  precision: number | null;
  byVotes: { votes: number; problems: number; right: number; precision: number | null }[];
}

export interface DatasetSize {
  adapter: string;
  size: number;
  kinds: Record<string, number>;
  /** Candidates before mixing. */
  available: Record<string, number>;
}

export interface Diversity {
  /** Per round. */
  consensus: number[];
  distinctAnswers: number[];
  /** Round 1. */
  distinctTexts: number;
}

export interface IterationResults {
  iteration: number;
  /** By method key. */
  methods: Partial<Record<string, Score>>;
  comparisons: ({ first: string; second: string } & PairedComparison)[];
  /** Of the cast's triples that were evaluated: how much of the gap the student recovers. */
  recovered?: ({ weak: string; student: string; ceiling: string } & RecoveredGap)[];
  /** What the recipe measured of its own work; absent where it measures nothing. */
  measures?: Pick<Measured, 'learner' | 'name' | 'values'>[];
  datasets: DatasetSize[];
  /** By learner. */
  pseudoLabels: Partial<Record<string, LabelQuality>>;
  /** By learner. */
  diversity: Partial<Record<string, Diversity>>;
  /** Mean training loss of each adapter in its first and its last step. */
  losses: { adapter: string; first: number; last: number }[];
}

export interface RunResults {
  config: RunStarted['config'] | null;
  model: RunStarted['model'] | null;
  engine: string | null;
  /** run-finished was seen. */
  finished: boolean;
  /** In order, from 0 (before finetuning). */
  iterations: IterationResults[];
}

/**
 * Reads a log, complete or still growing. Iteration 0 of what learns is the base's: a fresh adapter is the base and
 * evaluation draws are shared, so it was not run again. The base's scores are repeated in later iterations.
 */
export function resultsOf(events: Iterable<RunEvent>): RunResults {
  const results: RunResults = { config: null, model: null, engine: null, finished: false, iterations: [] };
  const evaluations = new Map<string, EvaluationDone>();
  let cast: Cast | null = null;
  const at = (iteration: number): IterationResults => {
    for (let l = results.iterations.length; l <= iteration; l++) results.iterations.push(emptyIteration(l));
    return results.iterations[iteration] as IterationResults;
  };
  for (const event of standing([...events])) {
    if (event.type === 'run-started') {
      Object.assign(results, { config: event.config, model: event.model, engine: event.engine });
      cast = event;
    } else if (event.type === 'iteration-started') {
      at(event.iteration);
    } else if (event.type === 'dataset') {
      at(event.iteration).datasets.push(datasetSize(event));
    } else if (event.type === 'pseudo-labels') {
      at(event.iteration).pseudoLabels[event.learner] = labelQuality(event);
    } else if (event.type === 'training-step') {
      for (const { adapter, loss } of event.tracks) addLoss(at(event.iteration), adapter, loss);
    } else if (event.type === 'evaluation') {
      at(event.iteration).diversity[event.learner] = diversityOf(event);
      evaluations.set(`${event.learner} ${event.iteration}`, event);
    } else if (event.type === 'measured') {
      const { learner, name, values } = event;
      (at(event.iteration).measures ??= []).push({ learner, name, values });
    } else if (event.type === 'run-finished') {
      results.finished = true;
    }
  }
  if (cast) for (const iteration of results.iterations) addScores(iteration, evaluations, cast);
  return results;
}

/**
 * What a cast compares, in the order in which results are read: first the headline's method against what else was finetuned, since that
 * is what the method claims; then all others in the cast's order.
 */
export function comparisonsOf(cast: Pick<Cast, 'learners' | 'methods' | 'compare'>): Cast['compare'] {
  const headline = cast.compare[0]?.[0];
  const base = baseLearnerOf(cast);
  const learnt = new Set(cast.methods.filter(({ learner }) => learner !== base).map(({ key }) => key));
  const first = cast.compare.filter(([one, other]) => one === headline && learnt.has(one) && learnt.has(other));
  return [...first, ...cast.compare.filter((pair) => !first.includes(pair))];
}

/** Key of the learner that plays before anything was learnt. */
export function baseLearnerOf({ learners }: Pick<Cast, 'learners'>): string {
  return learners[0]?.key ?? '';
}

/**
 * A method's score after an iteration. Before anything was learnt it is that of the base's method which answers alike, unless agents started
 * apart and were tested as they were then.
 * @param evaluation by learner and iteration
 */
export function scoreOf(
  cast: Pick<Cast, 'learners' | 'methods'>,
  { key, learner, answer }: Method,
  iteration: number,
  evaluation: (learner: string, iteration: number) => EvaluationDone | undefined,
): EvaluationDone['scores'][number] | undefined {
  const base = baseLearnerOf(cast);
  const before = learner === base || (iteration === 0 && !evaluation(learner, 0));
  const wanted = before ? cast.methods.find((one) => one.learner === base && one.answer === answer)?.key : key;
  const scores = before ? evaluation(base, 0)?.scores : evaluation(learner, iteration)?.scores;
  return scores?.find(({ method }) => method === wanted);
}

function addScores(results: IterationResults, evaluations: ReadonlyMap<string, EvaluationDone>, cast: Cast): void {
  const raw = new Map<string, MethodScore>();
  for (const method of cast.methods) {
    const score = scoreOf(cast, method, results.iteration, (learner, l) => evaluations.get(`${learner} ${l}`));
    if (!score) continue;
    raw.set(method.key, score);
    results.methods[method.key] = toScore(score);
  }
  if (results.iteration === 0) return;
  for (const [first, second] of comparisonsOf(cast)) {
    const a = raw.get(first);
    const b = raw.get(second);
    if (a && b) results.comparisons.push({ first, second, ...pairedComparison(a.correct, b.correct) });
  }
  for (const [weak, student, ceiling] of cast.recovered ?? []) {
    const [a, b, c] = [raw.get(weak), raw.get(student), raw.get(ceiling)];
    if (a && b && c)
      (results.recovered ??= []).push({ weak, student, ceiling, ...recoveredGap(a.correct, b.correct, c.correct) });
  }
}

function emptyIteration(iteration: number): IterationResults {
  return {
    iteration,
    methods: {},
    comparisons: [],
    datasets: [],
    pseudoLabels: {},
    diversity: {},
    losses: [],
  };
}

function toScore({ right, n, unreadable }: MethodScore): Score {
  return {
    right,
    n,
    accuracy: right / n,
    interval: wilsonInterval(right, n),
    unreadable,
  };
}

function labelQuality(event: PseudoLabels): LabelQuality {
  return {
    problems: event.problems,
    accepted: event.accepted,
    coverage: event.accepted / event.problems,
    precision: event.accepted === 0 ? null : event.acceptedRight / event.accepted,
    byVotes: event.byVotes.map((bin) => ({ ...bin, precision: bin.problems === 0 ? null : bin.right / bin.problems })),
  };
}

function datasetSize({ adapter, examples, available }: DatasetBuilt): DatasetSize {
  const kinds: Record<string, number> = {};
  for (const { kind } of examples) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return { adapter, size: examples.length, kinds, available };
}

function diversityOf({ layers }: EvaluationDone): Diversity {
  return {
    consensus: layers.flatMap(({ consensus }) => consensus ?? []),
    distinctAnswers: layers.map(({ distinctAnswers }) => distinctAnswers),
    distinctTexts: layers[0]?.distinctTexts ?? 0,
  };
}

function addLoss(results: IterationResults, adapter: string, loss: number): void {
  const known = results.losses.find((entry) => entry.adapter === adapter);
  if (known) known.last = loss;
  else results.losses.push({ adapter, first: loss, last: loss });
}
