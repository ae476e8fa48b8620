/**
 * Pools the last JSON objects of several runs (one file a seed, `polylogue run --json | tail -n 1`) into one table in Markdown:
 * accuracy per iteration and method, and the paired comparisons of the last iteration over all seeds' problems.
 *
 *     npx tsx bench/pool.ts bench/results/arithmetic/seed-*.json > bench/results/arithmetic/README.md
 */
import { readFileSync } from 'node:fs';
import { METHODS, type MethodKey, type Score } from '../src/log/results';
import type { ExperimentConfig } from '../src/recipes/config';
import { binomialStandardError, comparisonOfCounts, type PairedComparison } from '../src/society/statistics';

interface Report {
  config: ExperimentConfig;
  model: { name: string; hash: string };
  engine: string;
  accuracy: Partial<Record<MethodKey, (Score & { iteration: number })[]>>;
  comparisons: { iteration: number; comparisons: ({ first: MethodKey; second: MethodKey } & PairedComparison)[] }[];
  datasets: { iteration: number; datasets: { adapter: string; size: number }[] }[];
  pseudoLabels: ({ iteration: number } & Record<string, { coverage: number; precision: number | null } | number>)[];
  diversity: { iteration: number; society?: { consensus: number[]; distinctTexts: number } }[];
  digest: string;
  seconds: number;
}

const files = process.argv.slice(2);
const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
const [first] = reports;
if (!first) throw new Error('name at least one report');

const iterations = first.config.iterations;
const columns = Array.from({ length: iterations + 1 }, (_, l) => l);
const lines: string[] = [];
const row = (...cells: (string | number)[]): void => void lines.push(`| ${cells.join(' | ')} |`);

lines.push(`# ${first.config.preset}: ${reports.length} seeds, pooled`, '');
lines.push(
  `${first.config.trainProblems} training and ${first.config.evaluationProblems} evaluation problems a seed, N = ${first.config.agents}, ` +
    `M = ${first.config.rounds}, L = ${iterations}; model \`${first.model.name}\` (sha-256 ${first.model.hash.slice(0, 12)}…); engine ${first.engine}.`,
  '',
  'Percent right ± binomial standard error over all evaluation problems of all seeds.',
  '',
);
row('method', ...columns.map((l) => `it. ${l}`));
row('---', ...columns.map(() => '---:'));
for (const { key, label } of METHODS) {
  const cells = columns.map((l) => {
    const scores = reports.flatMap((report) => report.accuracy[key]?.filter(({ iteration }) => iteration === l) ?? []);
    const right = scores.reduce((sum, score) => sum + score.right, 0);
    const n = scores.reduce((sum, score) => sum + score.n, 0);
    return n === 0 ? '' : `${((100 * right) / n).toFixed(1)} ± ${(100 * binomialStandardError(right, n)).toFixed(1)}`;
  });
  if (cells.some((cell) => cell !== '')) row(label, ...cells);
}

lines.push('', `## Paired comparisons in iteration ${iterations}`, '');
lines.push('Same problems, same draws; exact McNemar test over the pooled pairs.', '');
row('first − second', 'points', '95 % interval', 'only first right', 'only second right', 'p');
row('---', '---:', '---:', '---:', '---:', '---:');
const label = (key: MethodKey): string => METHODS.find((method) => method.key === key)?.label ?? key;
for (const { first: a, second: b } of last(first).comparisons) {
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
for (const { first: a, second: b } of last(first).comparisons) {
  row(
    `${label(a)} − ${label(b)}`,
    ...columns.slice(1).map((l) => {
      const { difference, p } = pooled(a, b, l);
      return `${points(difference)} (${probability(p)})`;
    }),
  );
}

lines.push('', '## Inside the loop', '');
row(
  'iteration',
  'society: labels used',
  'of them right',
  'single: labels used',
  'of them right',
  'examples per generator',
  'per critic',
  'distinct chains of N',
  'consensus, last round',
);
row(...Array.from({ length: 9 }, (_, i) => (i === 0 ? '---' : '---:')));
for (const l of columns.slice(1)) {
  const labels = (team: string, field: 'coverage' | 'precision'): string =>
    percent(
      mean(
        reports.map(
          (r) =>
            (r.pseudoLabels.find((p) => p.iteration === l)?.[team] as Record<typeof field, number> | undefined)?.[
              field
            ],
        ),
      ),
    );
  const size = (role: string): string =>
    mean(
      reports
        .flatMap((r) => r.datasets.find((d) => d.iteration === l)?.datasets ?? [])
        .flatMap((d) => (d.adapter.startsWith(role) ? [d.size] : [])),
    ).toFixed(0);
  const society = reports.map((r) => r.diversity.find((d) => d.iteration === l)?.society);
  row(
    l,
    labels('society', 'coverage'),
    labels('society', 'precision'),
    labels('single', 'coverage'),
    labels('single', 'precision'),
    size('generator'),
    size('critic'),
    mean(society.map((s) => s?.distinctTexts)).toFixed(2),
    percent(mean(society.map((s) => s?.consensus.at(-1)))),
  );
}

lines.push('', '## Runs', '');
row(
  'seed',
  'log digest',
  'seconds',
  ...['single', 'majority', 'debate', 'singleAgentDebate', 'societyDebate'].map(
    (key) => `${label(key as MethodKey)}, it. ${iterations}`,
  ),
);
row('---', '---', '---:', '---:', '---:', '---:', '---:', '---:');
for (const report of reports) {
  const final = (key: MethodKey): string =>
    percent(report.accuracy[key]?.find(({ iteration }) => iteration === iterations)?.accuracy);
  row(
    report.config.seed,
    `\`${report.digest.slice(0, 16)}…\``,
    report.seconds,
    final('single'),
    final('majority'),
    final('debate'),
    final('singleAgentDebate'),
    final('societyDebate'),
  );
}
process.stdout.write(lines.join('\n') + '\n');

/** Two methods over all seeds' problems in one iteration. */
function pooled(a: MethodKey, b: MethodKey, iteration: number): PairedComparison {
  const found = reports
    .flatMap((report) => report.comparisons.find((entry) => entry.iteration === iteration)?.comparisons ?? [])
    .filter((c) => c.first === a && c.second === b);
  const sum = (field: 'n' | 'onlyFirst' | 'onlySecond'): number => found.reduce((total, c) => total + c[field], 0);
  return comparisonOfCounts(sum('n'), sum('onlyFirst'), sum('onlySecond'));
}

function last(report: Report): Report['comparisons'][number] {
  const found = report.comparisons.find(({ iteration }) => iteration === report.config.iterations);
  if (!found) throw new Error(`seed ${report.config.seed}: no comparisons of the last iteration`);
  return found;
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
