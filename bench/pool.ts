/**
 * Pools the last JSON objects of several runs (one file a seed, `polylogue run --json | tail -n 1`) into one table in Markdown:
 * accuracy per iteration and method, and the paired comparisons of the last iteration over all seeds' problems.
 *
 *     npx tsx bench/pool.ts bench/results/arithmetic/seed-*.json > bench/results/arithmetic/README.md
 */
import { readFileSync } from 'node:fs';
import type { Score } from '../src/log/results';
import { comparisonOfCounts, wilsonInterval, type PairedComparison } from '../src/society/statistics';

interface Report {
  config: Record<string, unknown> & {
    preset: string;
    seed: number;
    iterations: number;
    trainProblems: number;
    evaluationProblems: number;
  };
  model: { name: string; hash: string };
  engine: string;
  /** Absent in reports from before recipes named their methods. */
  methods?: { key: string; label: string }[];
  accuracy: Partial<Record<string, (Score & { iteration: number })[]>>;
  comparisons: { iteration: number; comparisons: ({ first: string; second: string } & PairedComparison)[] }[];
  datasets: { iteration: number; datasets: { adapter: string; size: number }[] }[];
  pseudoLabels: ({ iteration: number } & Record<string, { coverage: number; precision: number | null } | number>)[];
  diversity: ({ iteration: number } & Record<string, { consensus: number[]; distinctTexts: number } | number>)[];
  digest: string;
  seconds: number;
}

/** Of reports from before a recipe named its methods: multiagent finetuning's, as it was then. */
const FIRST_METHODS: readonly { key: string; label: string }[] = [
  { key: 'single', label: 'Single sample' },
  { key: 'majority', label: 'Majority of N' },
  { key: 'debate', label: 'Debate without finetuning' },
  { key: 'singleAgentSingle', label: 'Single-agent finetuning, one sample' },
  { key: 'singleAgentMajority', label: 'Single-agent finetuning, majority' },
  { key: 'singleAgentDebate', label: 'Single-agent finetuning, debate' },
  { key: 'societySingle', label: 'Society finetuning, one sample' },
  { key: 'societyMajority', label: 'Society finetuning, majority of generators' },
  { key: 'societyDebate', label: 'Society finetuning, debate' },
];

const files = process.argv.slice(2);
const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
const [first] = reports;
if (!first) throw new Error('name at least one report');

const methods = first.methods ?? FIRST_METHODS;
const iterations = first.config.iterations;
const columns = Array.from({ length: iterations + 1 }, (_, l) => l);
const lines: string[] = [];
const row = (...cells: (string | number)[]): void => void lines.push(`| ${cells.join(' | ')} |`);

lines.push(`# ${first.config.preset}: ${reports.length} seeds, pooled`, '');
lines.push(
  `${first.config.trainProblems} training and ${first.config.evaluationProblems} evaluation problems a seed, ${size('N', 'agents')}` +
    `${size('M', 'rounds')}${size('K', 'samples')}L = ${iterations}; model \`${first.model.name}\` (sha-256 ${first.model.hash.slice(0, 12)}…); engine ${first.engine}.`,
  '',
  'Percent right over all evaluation problems of all seeds, and in brackets the 95 % interval (Wilson).',
  '',
);
row('method', ...columns.map((l) => `it. ${l}`));
row('---', ...columns.map(() => '---:'));
for (const { key, label } of methods) {
  const cells = columns.map((l) => {
    const scores = reports.flatMap((report) => report.accuracy[key]?.filter(({ iteration }) => iteration === l) ?? []);
    const right = scores.reduce((sum, score) => sum + score.right, 0);
    const n = scores.reduce((sum, score) => sum + score.n, 0);
    const [low, high] = wilsonInterval(right, n).map((share) => (100 * share).toFixed(1));
    return n === 0 ? '' : `${((100 * right) / n).toFixed(1)} (${low}–${high})`;
  });
  if (cells.some((cell) => cell !== '')) row(label, ...cells);
}

lines.push('', `## Paired comparisons in iteration ${iterations}`, '');
lines.push(
  'Same problems, same draws; exact McNemar test over the pooled pairs, and the interval that goes with it (Fay and Lumbard 2021).',
  '',
);
row('first − second', 'points', '95 % interval', 'only first right', 'only second right', 'p');
row('---', '---:', '---:', '---:', '---:', '---:');
const label = (key: string): string => methods.find((method) => method.key === key)?.label ?? key;
for (const { first: a, second: b } of last(first, 'comparisons').comparisons) {
  const pair = pooled(a, b, iterations);
  const [low, high] = pair.interval.map(points);
  row(
    `${label(a)} − ${label(b)}`,
    points(pair.difference),
    `${low} to ${high}`,
    pair.onlyFirst,
    pair.onlySecond,
    probability(pair.p),
  );
}

lines.push('', '## Paired differences in every iteration', '');
row('first − second, points (p)', ...columns.slice(1).map((l) => `it. ${l}`));
row('---', ...columns.slice(1).map(() => '---:'));
for (const { first: a, second: b } of last(first, 'comparisons').comparisons) {
  row(
    `${label(a)} − ${label(b)}`,
    ...columns.slice(1).map((l) => {
      const { difference, p } = pooled(a, b, l);
      return `${points(difference)} (${probability(p)})`;
    }),
  );
}

lines.push('', '## Inside the loop', '');
/** Who learns from labels, in the order of the report; and adapters that learn alike: `generator-0` and `generator-1`. */
const learners = keysOf(last(first, 'pseudoLabels'));
const playing = keysOf(last(first, 'diversity'));
const roles = [...new Set(last(first, 'datasets').datasets.map(({ adapter }) => roleOf(adapter)))];
const header = [
  'iteration',
  ...learners.flatMap((learner) => [`${learner}: labels used`, 'of them right']),
  ...roles.map((role) => `examples per ${role}`),
  ...playing.flatMap((learner) => [`${learner}: distinct texts of the first layer`, 'consensus, last layer']),
];
row(...header);
row(...header.map((_, i) => (i === 0 ? '---' : '---:')));
for (const l of columns.slice(1)) {
  const at = <T extends { iteration: number }>(entries: T[]): T | undefined =>
    entries.find(({ iteration }) => iteration === l);
  const labels = (learner: string, field: 'coverage' | 'precision'): string =>
    percent(mean(reports.map((r) => fieldOf(at(r.pseudoLabels)?.[learner])?.[field])));
  const sizes = (role: string): string =>
    mean(
      reports
        .flatMap((r) => at(r.datasets)?.datasets ?? [])
        .flatMap(({ adapter, size }) => (roleOf(adapter) === role ? [size] : [])),
    ).toFixed(0);
  const diversity = (learner: string) => reports.map((r) => fieldOf(at(r.diversity)?.[learner]));
  row(
    l,
    ...learners.flatMap((learner) => [labels(learner, 'coverage'), labels(learner, 'precision')]),
    ...roles.map(sizes),
    ...playing.flatMap((learner) => [
      mean(diversity(learner).map((d) => d?.distinctTexts)).toFixed(2),
      percent(mean(diversity(learner).map((d) => d?.consensus.at(-1)))),
    ]),
  );
}

lines.push('', '## Runs', '');
/** The base's methods, and what is compared with them or each other. */
const headline = new Set(
  last(first, 'comparisons')
    .comparisons.slice(0, 3)
    .flatMap((pair) => [pair.first, pair.second]),
);
const shown = methods.filter(({ key }, at) => at < 3 || headline.has(key)).map(({ key }) => key);
row('seed', 'log digest', 'seconds', ...shown.map((key) => `${label(key)}, it. ${iterations}`));
row('---', '---', '---:', ...shown.map(() => '---:'));
for (const report of reports) {
  const final = (key: string): string =>
    percent(report.accuracy[key]?.find(({ iteration }) => iteration === iterations)?.accuracy);
  row(report.config.seed, `\`${report.digest.slice(0, 16)}…\``, report.seconds, ...shown.map(final));
}
process.stdout.write(lines.join('\n') + '\n');

/** Two methods over all seeds' problems in one iteration. */
function pooled(a: string, b: string, iteration: number): PairedComparison {
  const found = reports
    .flatMap((report) => report.comparisons.find((entry) => entry.iteration === iteration)?.comparisons ?? [])
    .filter((c) => c.first === a && c.second === b);
  const sum = (field: 'n' | 'onlyFirst' | 'onlySecond'): number => found.reduce((total, c) => total + c[field], 0);
  return comparisonOfCounts(sum('n'), sum('onlyFirst'), sum('onlySecond'));
}

/** A report's entry of its last iteration. */
function last<K extends 'comparisons' | 'datasets' | 'pseudoLabels' | 'diversity'>(
  report: Report,
  what: K,
): Report[K][number] {
  const found = report[what].find(({ iteration }) => iteration === report.config.iterations);
  if (!found) throw new Error(`seed ${report.config.seed}: no ${what} of the last iteration`);
  return found;
}

/** A setting of the recipe for the title, where it has it. */
function size(symbol: string, setting: string): string {
  const value = first?.config[setting];
  return typeof value === 'number' ? `${symbol} = ${value}, ` : '';
}

function roleOf(adapter: string): string {
  return adapter.replace(/-\d+$/, '');
}

function keysOf(entry: object): string[] {
  return Object.keys(entry).filter((key) => key !== 'iteration');
}

function fieldOf<T extends object>(value: T | number | undefined): T | undefined {
  return typeof value === 'object' ? value : undefined;
}

function points(share: number): string {
  return `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`;
}

function percent(share: number | undefined): string {
  return share === undefined || Number.isNaN(share) ? '' : (100 * share).toFixed(1);
}

function probability(p: number): string {
  return p < 0.001 ? p.toExponential(0) : p.toFixed(3);
}

function mean(values: (number | null | undefined)[]): number {
  const known = values.filter((value): value is number => typeof value === 'number');
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}
