/** The tables of docs/what-replicates.md, from the committed comparisons alone. */
import { readFileSync } from 'node:fs';
import type { ComparedLearner, LearnerTest } from '../../src/log/comparedLearners';
import type { ComparedMethod, ComparedPair, Comparison } from '../../src/log/comparison';
import { smallestSeen } from '../../src/society/power';
import { pooledComparison, spreadOf } from '../../src/society/statistics';

export interface CommittedLog {
  recipe: string;
  seed: number;
  /** Where they differ from the preset. */
  settings: Record<string, unknown>;
  digest: string;
  discreteDigest: string;
}

export interface Committed extends Comparison {
  seeds: number[];
  preset: string;
  logs: CommittedLog[];
}

export const FOLDER = 'bench/results/comparison';

/** @param folder that `compare --out` wrote */
export function comparisonIn(folder: string): Committed {
  return JSON.parse(readFileSync(`${folder}/comparison.json`, 'utf8')) as Committed;
}

/** @param name folder under `bench/results/comparison` */
export function committed(name: string): Committed {
  return comparisonIn(`${FOLDER}/${name}`);
}

export const percent = (share: number): string => (100 * share).toFixed(1);
export const points = (share: number): string => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`;
export const p = (value: number): string => (value < 0.001 ? '< 0.001' : value.toFixed(3));
export const count = (value: number): string => Math.round(value).toLocaleString('en');
export const row = (...cells: (string | number)[]): string => `| ${cells.join(' | ')} |`;

export function withSpread(values: readonly number[]): string {
  if (values.length === 0) return '';
  const { mean, deviation } = spreadOf(values);
  return deviation === null ? percent(mean) : `${percent(mean)} ± ${percent(deviation)}`;
}

/** Learners by what the page calls them, with the method that counts as their society or majority. */
export const WHO: readonly { learner: string; method: string; name: string }[] = [
  { learner: 'base', method: 'base/majority', name: 'the untouched model' },
  { learner: 'equal-steps/society', method: 'equal-steps/societyMajority', name: 'society' },
  { learner: 'equal-steps/single', method: 'equal-steps/singleAgentMajority', name: 'one model, steps of one agent' },
  {
    learner: 'shared-pair/society',
    method: 'shared-pair/societyMajority',
    name: 'one shared model, three times the steps',
  },
  { learner: 'union/society', method: 'union/societyMajority', name: 'one model on the union of the data' },
  { learner: 'random-split/society', method: 'random-split/societyMajority', name: 'random thirds of the data' },
  { learner: 'isolated/society', method: 'isolated/societyMajority', name: 'isolated agents' },
  { learner: 'gold-labels/society', method: 'gold-labels/societyMajority', name: 'true labels' },
];

/** The method that answers after the debate, for the one that votes on first answers. */
export function afterReading(method: string): string {
  return method.replace(/Majority$/, 'Debate').replace('base/majority', 'base/debate');
}

/** A row of another comparison on the same problems. */
export interface Beside {
  name: string;
  from: Committed;
  learner: string;
  method: string;
}

/** What each method comes to: one row a method, mean over seeds ± their standard deviation. */
export function outcomes({ methods, learners }: Committed, beside: readonly Beside[] = []): string {
  const lines = [
    row(
      'method',
      'one agent',
      'majority of three',
      'agreement',
      'top strategy',
      'repair',
      'label precision',
      'training tokens',
      'generations',
    ),
    row('---', '---:', '---:', '---:', '---:', '---:', '---:', '---:', '---:'),
  ];
  for (const { learner, method, name } of WHO) {
    const found = learners.find(({ key }) => key === learner);
    const scored = methods.find(({ key }) => key === method);
    if (found && scored) lines.push(outcome(name, found, scored));
  }
  for (const { name, from, learner, method } of beside) {
    const found = from.learners.find(({ key }) => key === learner);
    const scored = from.methods.find(({ key }) => key === method);
    if (found && scored) lines.push(outcome(name, found, scored));
  }
  return lines.join('\n');
}

function outcome(name: string, { runs }: ComparedLearner, method: ComparedMethod): string {
  const last = runs.flatMap(({ tests }) => tests.at(-1) ?? []);
  const precision = runs.flatMap(({ labels }) => {
    const label = labels.at(-1);
    return label && label.accepted > 0 ? [label.right / label.accepted] : [];
  });
  return row(
    name,
    withSpread(last.map(agentOf)),
    withSpread(method.runs.map(({ right, n }) => right / n)),
    withSpread(last.flatMap(({ consensus }) => consensus ?? [])),
    withSpread(last.flatMap(({ strategies }) => strategies?.top ?? [])),
    withSpread(last.flatMap(({ strategies }) => (strategies ? strategies.repaired / strategies.inside : []))),
    withSpread(precision),
    count(method.trainedTokens),
    count(method.trainedGenerations),
  );
}

/** Mean over the seats. */
export function agentOf({ seats, n }: LearnerTest): number {
  return seats.reduce((sum, right) => sum + right, 0) / (seats.length * n);
}

/** The society against every other method: differences of the last votes, problem by problem and seed by seed. */
export function differences(of: Committed, beside: readonly Beside[] = []): string {
  const { pairs, methods } = of;
  const lines = [
    row('society minus', 'points', '95 %, these problems', 'p, adjusted', '95 %, another seed', 'p', 'resolves'),
    row('---', '---:', '---:', '---:', '---:', '---:', '---:'),
  ];
  for (const { method, name } of WHO) {
    const other = afterReading(method);
    const found = pairs.map((pair) => oriented(pair, 'equal-steps/societyDebate', other)).find((pair) => pair !== null);
    if (found && methods.some(({ key }) => key === other)) lines.push(difference(name, found));
  }
  for (const one of beside) lines.push(difference(one.name, across(of, one)));
  return lines.join('\n');
}

/** The society against a method of another comparison. @throws Error where their held-out problems or draws are not the same */
export function across(of: Committed, { from, method }: Beside): Difference {
  return between([of, 'equal-steps/societyDebate'], [from, method], 'base/majority');
}

/** A difference as `difference` writes it. */
export type Difference = Pick<ComparedPair, 'difference' | 'interval' | 'spread'>;

/** Runs of a method in a comparison; none where it was not played. */
export function runsOf({ methods }: Committed, method: string): ComparedMethod['runs'] {
  return methods.find(({ key }) => key === method)?.runs ?? [];
}

/**
 * One method against another, of the same comparison or not, seed by seed.
 * @param witness a method of the untouched model, whose answers tell whether both had the same problems and draws
 * @throws Error where they had not
 */
export function between(
  [one, first]: readonly [Committed, string],
  [other, second]: readonly [Committed, string],
  witness: string,
): Difference {
  const both = runsOf(one, first).flatMap((run) => {
    const found = runsOf(other, second).find(({ seed }) => seed === run.seed);
    const [here, there] = [one, other].map(
      (from) => runsOf(from, witness).find(({ seed }) => seed === run.seed)?.correct,
    );
    if (found && here !== there) throw new Error(`seed ${run.seed} has other held-out problems in another comparison`);
    return found ? [{ run, found }] : [];
  });
  return {
    ...pooledComparison(both.map(({ run, found }) => [run.correct, found.correct] as const)),
    spread: spreadOf(both.map(({ run, found }) => (run.right - found.right) / run.n)),
  };
}

/** The pair with `first` first; null where it is another one. */
function oriented(pair: ComparedPair, first: string, second: string): ComparedPair | null {
  if (pair.first === first && pair.second === second) return pair;
  if (pair.first !== second || pair.second !== first) return null;
  const turned = ([low, high]: [number, number]): [number, number] => [-high, -low];
  const { spread } = pair;
  return {
    ...pair,
    first,
    second,
    difference: -pair.difference,
    interval: turned(pair.interval),
    spread: { ...spread, mean: -spread.mean, interval: spread.interval && turned(spread.interval) },
  };
}

/** Without an adjusted p for a pair that is in no table of pairs. */
export function difference(
  name: string,
  {
    difference: by,
    interval,
    adjusted,
    spread,
  }: Pick<ComparedPair, 'difference' | 'interval' | 'spread'> & { adjusted?: number },
): string {
  const resolves = smallestSeen(spread.deviation, spread.runs);
  return row(
    name,
    points(by),
    interval.map(points).join(' to '),
    adjusted === undefined ? '' : p(adjusted),
    spread.interval === null ? '' : spread.interval.map(points).join(' to '),
    spread.p === null ? '' : p(spread.p),
    resolves === null ? '' : percent(resolves),
  );
}

/** How a collapse goes, iteration by iteration, without a guard and with each. */
export function collapse(guards: readonly { name: string; from: Committed }[]): string {
  const lines = [
    row(
      'guard',
      'seeds',
      'iterations',
      'agreement at first',
      'at the end',
      'majority right at first',
      'at its best',
      'at the end',
      'one agent at the end',
    ),
    row('---', '---:', '---:', '---:', '---:', '---:', '---:', '---:', '---:'),
  ];
  for (const { name, from } of guards) {
    const base = from.learners.find(({ key }) => key === 'base');
    const society = from.learners.find(({ key }) => key !== 'base');
    if (!base || !society) continue;
    const start = base.runs.flatMap(({ tests }) => tests.at(0) ?? []);
    const ends = society.runs.flatMap(({ tests }) => tests.at(-1) ?? []);
    const best = society.runs.map(({ tests }) => Math.max(...tests.map((test) => votedRight(test))));
    lines.push(
      row(
        name,
        society.runs.length,
        society.runs.map(({ tests }) => tests.at(-1)?.iteration ?? 0).join(', '),
        withSpread(start.flatMap(({ consensus }) => consensus ?? [])),
        withSpread(ends.flatMap(({ consensus }) => consensus ?? [])),
        withSpread(start.map(votedRight)),
        withSpread(best),
        withSpread(ends.map(votedRight)),
        withSpread(ends.map(agentOf)),
      ),
    );
  }
  return lines.join('\n');
}

function votedRight({ right, n }: LearnerTest): number {
  return (right['societyDebate'] ?? right['debate'] ?? 0) / n;
}
