/** A comparison as a table for people. */
import type { ComparedLearner } from '../../src/log/comparedLearners';
import { plain } from '../../src/share/exports/trl';
import { namesOf, type ComparedMethod, type ComparedPair, type Comparison } from '../../src/log/comparison';

const percent = (share: number): string => (100 * share).toFixed(1);
const points = (share: number): string => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`;
const probability = (p: number): string => (p < 0.001 ? p.toExponential(0) : p.toFixed(3));
const count = (value: number): string => Math.round(value).toLocaleString('en');

/** Markdown: one row a method, then one row a pair. @param title in words */
export function comparisonMarkdown(title: string, { methods, pairs, learners }: Comparison): string {
  const name = namesOf(methods);
  const lines = [
    `# ${title}`,
    '',
    'Percent right over the held-out problems of all seeds, with its 95 % interval (Wilson). Beside it the mean of the seeds ± their standard',
    'deviation. Calls are generations that an answer costs. Training counts completion tokens over all steps, and generations to learn from.',
    '',
    row('recipe', 'method', 'calls', 'training tokens', 'training generations', 'right', '95 %', 'seeds', 'mean ± sd'),
    row('---', '---', '---:', '---:', '---:', '---:', '---:', '---:', '---:'),
    ...methods.map((method) => methodRow(method)),
    '',
    '## Paired differences',
    '',
    'Same problems and draws. p is exact McNemar over the problems of all seeds together; adjusted by Holm over all pairs of this table. It says',
    'what holds for these runs. The last two columns take each seed as one observation (Student’s t): what holds for another seed.',
    '',
    row('first − second', 'points', '95 %', 'only first', 'only second', 'p', 'adjusted', 'between seeds, 95 %', 'p'),
    row('---', '---:', '---:', '---:', '---:', '---:', '---:', '---:', '---:'),
    ...pairs.map((pair) => pairRow(pair, name)),
    '',
    ...learnersTable(learners),
  ];
  return lines.join('\n');
}

function methodRow({
  recipe,
  label,
  calls,
  accuracy,
  interval: [low, high],
  runs,
  spread,
  ...trained
}: ComparedMethod): string {
  const deviation = spread.deviation === null ? '' : ` ± ${percent(spread.deviation)}`;
  return row(
    recipe,
    label,
    calls,
    count(trained.trainedTokens),
    count(trained.trainedGenerations),
    percent(accuracy),
    `${percent(low)} to ${percent(high)}`,
    runs.length,
    `${percent(spread.mean)}${deviation}`,
  );
}

function pairRow(pair: ComparedPair, name: ReadonlyMap<string, string>): string {
  const { first, second, difference, interval, onlyFirst, onlySecond, p, adjusted, spread } = pair;
  return row(
    `${name.get(first) ?? first} − ${name.get(second) ?? second}`,
    points(difference),
    interval.map(points).join(' to '),
    onlyFirst,
    onlySecond,
    probability(p),
    probability(adjusted),
    spread.interval === null ? '' : spread.interval.map(points).join(' to '),
    spread.p === null ? '' : probability(spread.p),
  );
}

const BEHIND = [
  '## Behind the accuracies',
  '',
  'First answers in the first and in the last test, means over seeds: right answers of an agent (mean over the seats, and the best seat), share of',
  'seats that agree with the vote, share of an agent’s most frequent strategy, right answers where its strategy goes wrong (repair). Precision is',
  'that of the labels of the last iteration.',
  '',
];

function learnersTable(learners: readonly ComparedLearner[]): string[] {
  if (learners.length === 0) return [];
  return [
    ...BEHIND,
    row('learner', 'iteration', 'an agent', 'the best', 'consensus', 'top strategy', 'repair', 'precision'),
    row('---', '---:', '---:', '---:', '---:', '---:', '---:', '---:'),
    ...learners.flatMap(({ key, runs }) =>
      [...new Set([0, -1].map((at) => runs[0]?.tests.at(at)?.iteration))].flatMap((iteration) =>
        iteration === undefined ? [] : [learnerRow(key, iteration, runs)],
      ),
    ),
    '',
  ];
}

function learnerRow(key: string, iteration: number, runs: ComparedLearner['runs']): string {
  const tests = runs.flatMap((run) => run.tests.find((test) => test.iteration === iteration) ?? []);
  const mean = (values: readonly (number | undefined)[]): string => {
    const known = values.filter((value) => value !== undefined && Number.isFinite(value)) as number[];
    return known.length === 0 ? '' : percent(known.reduce((sum, value) => sum + value, 0) / known.length);
  };
  const labels = runs.flatMap((run) => run.labels.find((one) => one.iteration === iteration) ?? []);
  return row(
    key,
    iteration,
    mean(tests.map(({ seats, n }) => seats.reduce((sum, right) => sum + right, 0) / (seats.length * n))),
    mean(tests.map(({ seats, n }) => Math.max(...seats) / n)),
    mean(tests.map(({ consensus }) => consensus)),
    mean(tests.map(({ strategies }) => strategies?.top)),
    mean(tests.map(({ strategies }) => strategies && strategies.repaired / strategies.inside)),
    mean(labels.map(({ accepted, right }) => right / accepted)),
  );
}

function row(...cells: (string | number)[]): string {
  return `| ${cells.map((cell) => (typeof cell === 'string' ? plain(cell) : cell)).join(' | ')} |`;
}
