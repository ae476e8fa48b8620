/**
 * Several methods on the same problems: the logs of runs of several recipes and seeds as one table, with paired tests. Runs with the same seed
 * have the same held-out problems and draws, so a difference is taken problem by problem. A pure view of the logs.
 */
import { groupName, type Cast, type EvaluationDone, type Method, type RunEvent } from '../events';
import {
  holm,
  pooledComparison,
  spreadOf,
  wilsonInterval,
  type PairedComparison,
  type Spread,
} from '../society/statistics';
import type { Strategies } from '../tasks/types';
import { comparedLearners, type ComparedLearner } from './comparedLearners';
import { baseLearnerOf } from './results';
import { standing } from './superseded';

/** A finished run. */
export interface ComparedLog {
  recipe: string;
  seed: number;
  events: readonly RunEvent[];
}

/** A method in one run, after the last iteration in which it was tested. */
export interface MethodRun {
  seed: number;
  iteration: number;
  right: number;
  n: number;
  unreadable: number;
  /** '1' right, '0' wrong, one character a problem. */
  correct: string;
  /** Tokens of completions over all steps that its adapters learnt, and those whose answers or weights they were made of. */
  trainedTokens: number;
  /** Responses and summaries of the episodes from which was learnt. */
  trainedGenerations: number;
}

/** A method of a recipe over all seeds. */
export interface ComparedMethod {
  /**
   * `recipe/method`, the recipe's own headline among them; `base/method` for the untouched model. Where recipes have other problems, draws or
   * models, `base/method` is that of the first, and the others' are called after their recipe.
   */
  key: string;
  recipe: string;
  label: string;
  /** How a problem is answered: `single`, `majority`, `debate`, … */
  answer: string;
  /** Generations that an answer costs. */
  calls: number;
  runs: MethodRun[];
  /** Over all problems of all seeds. */
  accuracy: number;
  /** Of the accuracy, 95 %, Wilson. */
  interval: [number, number];
  /** Of the accuracies of the seeds. */
  spread: Spread;
  /** Mean over seeds. */
  trainedTokens: number;
  trainedGenerations: number;
}

/** Two methods on the same problems. */
export interface ComparedPair extends PairedComparison {
  first: string;
  second: string;
  /** Seeds that both have with the same problems. */
  seeds: number[];
  /** McNemar's p after Holm's adjustment over all pairs here. */
  adjusted: number;
  /** Of the differences of the seeds: what holds for another seed. */
  spread: Spread;
}

export interface Comparison {
  methods: ComparedMethod[];
  pairs: ComparedPair[];
  /** What lies behind the accuracies. */
  learners: ComparedLearner[];
}

/** A method of one recipe before rows that say the same are one. */
interface Row extends Omit<
  ComparedMethod,
  'accuracy' | 'interval' | 'spread' | 'trainedTokens' | 'trainedGenerations'
> {
  method: string;
  /** Held-out problems by seed. */
  problems: ReadonlyMap<number, string>;
}

/**
 * The table of some runs. Methods that several recipes have alike (the untouched model, a society with its controls beside it) are one row,
 * that of the first recipe. Pairs are the headlines of all recipes against each other, and those that each recipe compares.
 * @param logs in the order of recipes and seeds; those without results are left out
 * @param strategies of the task, where responses show one
 */
export function comparisonOf(logs: readonly ComparedLog[], strategies?: Strategies): Comparison {
  const rows: Row[] = [];
  /** Row of each recipe's method. */
  const rowOf = new Map<string, Row>();
  const wanted: [string, string][] = [];
  const headlines: string[] = [];
  for (const recipe of new Set(logs.map((log) => log.recipe))) {
    const runs = logs.filter((log) => log.recipe === recipe);
    const found = rowsOf(recipe, runs);
    for (const row of found) rowOf.set(`${recipe}/${row.method}`, joined(rows, row, recipe));
    const compare = castOf(runs[0])?.compare ?? [];
    const [headline] = compare[0] ?? [found.at(-1)?.method ?? ''];
    if (rowOf.has(`${recipe}/${headline}`)) headlines.push(`${recipe}/${headline}`);
    wanted.push(...compare.map(([a, b]): [string, string] => [`${recipe}/${a}`, `${recipe}/${b}`]));
  }
  const against = headlines.flatMap((a, at) => headlines.slice(at + 1).map((b): [string, string] => [a, b]));
  return {
    methods: rows.map(pooled),
    pairs: pairsOf([...against, ...wanted], rowOf),
    learners: comparedLearners(logs, strategies),
  };
}

/** Names of methods for people: the label, with the recipe where several recipes have that label. */
export function namesOf(methods: readonly Pick<ComparedMethod, 'key' | 'recipe' | 'label'>[]): Map<string, string> {
  const alike = (label: string) => methods.filter((method) => method.label === label).length > 1;
  return new Map(methods.map(({ key, recipe, label }) => [key, alike(label) ? `${recipe}: ${label}` : label]));
}

function castOf(log: ComparedLog | undefined): Cast | undefined {
  return log?.events.find((event) => event.type === 'run-started');
}

function rowsOf(recipe: string, logs: readonly ComparedLog[]): Row[] {
  const cast = castOf(logs[0]);
  if (!cast) return [];
  const base = baseLearnerOf(cast);
  return cast.methods.flatMap((method): Row[] => {
    const runs = logs.flatMap((log) => lastRun(log, method) ?? []);
    if (runs.length === 0) return [];
    const { key, label, answer, calls, learner } = method;
    const owner = learner === base ? 'base' : recipe;
    const problems = new Map(logs.map((log) => [log.seed, problemsOf(log)]));
    return [{ key: `${owner}/${key}`, method: key, recipe: owner, label, answer, calls, runs, problems }];
  });
}

/** A method where it was tested last. */
function lastRun({ seed, events }: ComparedLog, { key, learner }: Method): MethodRun | null {
  const tests = events.filter(
    (event): event is EvaluationDone => event.type === 'evaluation' && event.learner === learner,
  );
  const last = tests.findLast(({ scores }) => scores.some(({ method }) => method === key));
  const score = last?.scores.find(({ method }) => method === key);
  if (!last || !score) return null;
  const { right, n, unreadable, correct } = score;
  return { seed, iteration: last.iteration, right, n, unreadable, correct, ...trainingOf(events, learner) };
}

function problemsOf({ events }: ComparedLog): string {
  const held = events.flatMap((event) =>
    event.type === 'problems' && event.split === 'evaluation'
      ? event.problems.map(({ id, question }) => [id, question])
      : [],
  );
  return JSON.stringify(held);
}

/** What a learner's weights are made of: its own training, that of adapters merged into it, that of learners whose turns it learnt from. */
function trainingOf(
  all: readonly RunEvent[],
  learner: string,
): Pick<MethodRun, 'trainedTokens' | 'trainedGenerations'> {
  const events = standing([...all]);
  const cast = events.find((event) => event.type === 'run-started');
  const adaptersOf = (key: string): string[] => {
    const ids = new Set(cast?.learners.find((one) => one.key === key)?.agents);
    return (cast?.agents ?? []).flatMap(({ id, adapter }) => (ids.has(id) && adapter !== null ? [adapter] : []));
  };
  const adapters = new Set(adaptersOf(learner));
  const groups = new Set<string>();
  for (let size = -1; size < adapters.size;) {
    size = adapters.size;
    for (const event of events) {
      if (event.type === 'adapter' && adapters.has(event.adapter) && 'merge' in event.from)
        for (const source of event.from.merge) adapters.add(source);
      if (event.type === 'dataset' && adapters.has(event.adapter)) {
        for (const from of [event.from, ...event.examples.flatMap(({ group }) => group ?? [])]) {
          groups.add(groupName(from));
          for (const source of adaptersOf(from.learner)) adapters.add(source);
        }
      }
    }
  }
  let trainedTokens = 0;
  let trainedGenerations = 0;
  for (const event of events) {
    if (event.type === 'training-step')
      for (const { adapter, tokens } of event.tracks) if (adapters.has(adapter)) trainedTokens += tokens;
    if (event.type === 'episode' && event.purpose === 'train' && groups.has(groupName(event)))
      trainedGenerations += event.turns.length;
  }
  return { trainedTokens, trainedGenerations };
}

/**
 * Takes a row in. One that says the same as an earlier one is that one. The untouched model is one row over the seeds of all recipes as long as
 * no seed contradicts; the row that does is called after its recipe, so no two rows have one key.
 */
function joined(rows: Row[], row: Row, recipe: string): Row {
  const same = rows.find((one) => sameRow(one, row));
  if (same) return same;
  const base = row.recipe === 'base' ? rows.find(({ key }) => key === row.key) : undefined;
  if (base && agrees(base, row)) {
    const missing = row.runs.filter(({ seed }) => !base.runs.some((run) => run.seed === seed));
    base.runs.push(...missing);
    base.problems = new Map([...row.problems, ...base.problems]);
    return base;
  }
  const own = base ? { ...row, recipe, key: `${recipe}/${row.method}` } : row;
  rows.push(own);
  return own;
}

/** Do two rows say the same of every seed? */
function sameRow(one: Row, other: Row): boolean {
  return (
    one.method === other.method && one.calls === other.calls && JSON.stringify(one.runs) === JSON.stringify(other.runs)
  );
}

/** Do two rows share a seed, and say the same of all that they share? */
function agrees(one: Row, other: Row): boolean {
  const shared = other.runs.flatMap((run) => {
    const known = one.runs.find(({ seed }) => seed === run.seed);
    return known ? [{ run, known }] : [];
  });
  return (
    shared.length > 0 &&
    one.calls === other.calls &&
    shared.every(
      ({ run, known }) =>
        JSON.stringify(known) === JSON.stringify(run) && one.problems.get(run.seed) === other.problems.get(run.seed),
    )
  );
}

function pooled({ method: _, problems: __, ...row }: Row): ComparedMethod {
  const sum = (of: (run: MethodRun) => number) => row.runs.reduce((total, run) => total + of(run), 0);
  const [right, n] = [sum((run) => run.right), sum((run) => run.n)];
  return {
    ...row,
    accuracy: right / n,
    interval: wilsonInterval(right, n),
    spread: spreadOf(row.runs.map((run) => run.right / run.n)),
    trainedTokens: sum((run) => run.trainedTokens) / row.runs.length,
    trainedGenerations: sum((run) => run.trainedGenerations) / row.runs.length,
  };
}

function pairsOf(wanted: readonly [string, string][], rowOf: ReadonlyMap<string, Row>): ComparedPair[] {
  const pairs = new Map<string, Omit<ComparedPair, 'adjusted'>>();
  for (const [a, b] of wanted) {
    const [one, other] = [rowOf.get(a), rowOf.get(b)];
    if (!one || !other || one === other) continue;
    const [name, turned] = [`${one.key} ${other.key}`, `${other.key} ${one.key}`];
    if (pairs.has(name) || pairs.has(turned)) continue;
    const pair = pairOf(one, other);
    if (pair) pairs.set(name, pair);
  }
  const found = [...pairs.values()];
  const adjusted = holm(found.map(({ p }) => p));
  return found.map((pair, at) => ({ ...pair, adjusted: adjusted[at] as number }));
}

/** null where no seed gave both the same problems. */
function pairOf(one: Row, other: Row): Omit<ComparedPair, 'adjusted'> | null {
  const both = one.runs.flatMap((run) => {
    const found = other.runs.find(({ seed }) => seed === run.seed);
    const alike = one.problems.get(run.seed) === other.problems.get(run.seed);
    return found && alike && found.n === run.n ? [{ seed: run.seed, run, found }] : [];
  });
  if (both.length === 0) return null;
  return {
    first: one.key,
    second: other.key,
    seeds: both.map(({ seed }) => seed),
    ...pooledComparison(both.map(({ run, found }) => [run.correct, found.correct] as const)),
    spread: spreadOf(both.map(({ run, found }) => (run.right - found.right) / run.n)),
  };
}
