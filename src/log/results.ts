/** The results of a run as a pure view of its log: what the page draws and the command line prints. */
import type { DatasetEntry, EvaluationDone, MethodScore, PseudoLabels, RunEvent, RunStarted, Team } from '../events';
import { binomialStandardError, pairedComparison, wilsonInterval, type PairedComparison } from '../society/statistics';

/** Ways of answering that a run compares. The first three are without finetuning, so they do not change over iterations. */
export const METHODS = [
  { key: 'single', label: 'Single sample', team: 'base', measure: 'single' },
  { key: 'majority', label: 'Majority of N', team: 'base', measure: 'majority' },
  { key: 'debate', label: 'Debate without finetuning', team: 'base', measure: 'debate' },
  { key: 'singleAgentSingle', label: 'Single-agent finetuning, one sample', team: 'single', measure: 'single' },
  { key: 'singleAgentMajority', label: 'Single-agent finetuning, majority', team: 'single', measure: 'majority' },
  { key: 'singleAgentDebate', label: 'Single-agent finetuning, debate', team: 'single', measure: 'debate' },
  { key: 'societySingle', label: 'Society finetuning, one sample', team: 'society', measure: 'single' },
  { key: 'societyMajority', label: 'Society finetuning, majority of generators', team: 'society', measure: 'majority' },
  { key: 'societyDebate', label: 'Society finetuning, debate', team: 'society', measure: 'debate' },
] as const satisfies readonly { key: string; label: string; team: Team; measure: 'single' | 'majority' | 'debate' }[];
export type MethodKey = (typeof METHODS)[number]['key'];

/** What is compared pairwise in every iteration ≥ 1: same problems, same draws, same number of generations. */
export const COMPARISONS: readonly (readonly [first: MethodKey, second: MethodKey])[] = [
  ['societyDebate', 'debate'],
  ['societyDebate', 'singleAgentDebate'],
  ['singleAgentDebate', 'debate'],
  ['societyMajority', 'majority'],
  ['societySingle', 'single'],
];

export interface Score {
  right: number;
  n: number;
  /** right / n */
  accuracy: number;
  /** Binomial. */
  standardError: number;
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
  kinds: Partial<Record<DatasetEntry['kind'], number>>;
  /** Candidates before mixing. */
  available: Partial<Record<DatasetEntry['kind'], number>>;
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
  methods: Partial<Record<MethodKey, Score>>;
  comparisons: ({ first: MethodKey; second: MethodKey } & PairedComparison)[];
  datasets: DatasetSize[];
  pseudoLabels: Partial<Record<Team, LabelQuality>>;
  diversity: Partial<Record<Team, Diversity>>;
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
 * Reads a log, complete or still growing. Iteration 0 of the finetuned teams is the base's: a fresh adapter is the base and
 * evaluation draws are shared, so it was not run again. The base's scores are repeated in later iterations.
 */
export function resultsOf(events: Iterable<RunEvent>): RunResults {
  const results: RunResults = { config: null, model: null, engine: null, finished: false, iterations: [] };
  const evaluations = new Map<string, EvaluationDone>();
  const at = (iteration: number): IterationResults => {
    for (let l = results.iterations.length; l <= iteration; l++) results.iterations.push(emptyIteration(l));
    return results.iterations[iteration] as IterationResults;
  };
  for (const event of events) {
    if (event.type === 'run-started') {
      Object.assign(results, { config: event.config, model: event.model, engine: event.engine });
    } else if (event.type === 'iteration-started') {
      at(event.iteration);
    } else if (event.type === 'dataset') {
      const { adapter, entries, available } = event;
      at(event.iteration).datasets.push({ adapter, size: entries.length, kinds: countKinds(entries), available });
    } else if (event.type === 'pseudo-labels') {
      at(event.iteration).pseudoLabels[event.team] = labelQuality(event);
    } else if (event.type === 'training-step') {
      for (const { adapter, loss } of event.tracks) addLoss(at(event.iteration), adapter, loss);
    } else if (event.type === 'evaluation') {
      const { consensus, distinctAnswers, distinctTexts } = event;
      at(event.iteration).diversity[event.team] = { consensus, distinctAnswers, distinctTexts };
      evaluations.set(`${event.team} ${event.iteration}`, event);
    } else if (event.type === 'run-finished') {
      results.finished = true;
    }
  }
  for (const iteration of results.iterations) addScores(iteration, evaluations, results.config);
  return results;
}

function addScores(
  results: IterationResults,
  evaluations: ReadonlyMap<string, EvaluationDone>,
  config: RunStarted['config'] | null,
): void {
  const raw = new Map<MethodKey, MethodScore>();
  for (const { key, team, measure } of METHODS) {
    if (team === 'single' && config?.singleAgentBaseline === false) continue;
    const asBase = team === 'base' || results.iteration === 0;
    const evaluation = evaluations.get(asBase ? 'base 0' : `${team} ${results.iteration}`);
    if (!evaluation) continue;
    raw.set(key, evaluation[measure]);
    results.methods[key] = toScore(evaluation[measure]);
  }
  if (results.iteration === 0) return;
  for (const [first, second] of COMPARISONS) {
    const a = raw.get(first);
    const b = raw.get(second);
    if (a && b) results.comparisons.push({ first, second, ...pairedComparison(a.correct, b.correct) });
  }
}

function emptyIteration(iteration: number): IterationResults {
  return { iteration, methods: {}, comparisons: [], datasets: [], pseudoLabels: {}, diversity: {}, losses: [] };
}

function toScore({ right, n, unreadable }: MethodScore): Score {
  return {
    right,
    n,
    accuracy: right / n,
    standardError: binomialStandardError(right, n),
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

function countKinds(entries: readonly DatasetEntry[]): DatasetSize['kinds'] {
  const kinds: DatasetSize['kinds'] = {};
  for (const { kind } of entries) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

function addLoss(results: IterationResults, adapter: string, loss: number): void {
  const known = results.losses.find((entry) => entry.adapter === adapter);
  if (known) known.last = loss;
  else results.losses.push({ adapter, first: loss, last: loss });
}
