/**
 * A table of recipes that were played to their end on one preset: the last test of each method, and the digests of the log.
 *
 *     npm run polylogue -- run --recipe NAME --preset arithmetic-quick --seed 1 --engine exact --json | tail -n 1 > bench/results/recipes/NAME.json
 *     npx tsx bench/recipeRuns.ts > bench/results/recipes/README.md
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Score } from '../src/log/results';

interface Report {
  config: { recipe: string; preset: string; seed: number };
  engine: string;
  methods: { key: string; label: string; calls: number }[];
  accuracy: Record<string, (Score & { iteration: number })[]>;
  events: number;
  digest: string;
  discreteDigest: string;
}

const FOLDER = 'bench/results/recipes';
const row = (...cells: (string | number)[]): string => `| ${cells.join(' | ')} |`;
const reports = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .map((name) => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Report);

/** Methods with their last test. */
function lastTests({ config, methods, accuracy }: Report): string[] {
  return methods.flatMap(({ key, label, calls }) => {
    const last = accuracy[key]?.at(-1);
    if (!last) return [];
    const [low, high] = last.interval.map((share) => (100 * share).toFixed(1));
    return [row(config.recipe, label, calls, last.iteration, `${last.right} of ${last.n}`, `${low} to ${high}`)];
  });
}

const lines = [
  '# Recipes played to their end',
  '',
  'Preset and seed as named, exact engine, one run each: that they end, and what came out. One run says nothing about which is better.',
  '',
  row('recipe', 'preset', 'seed', 'engine', 'events', 'digest of the log', 'discrete digest'),
  row('---', '---', '---:', '---', '---:', '---', '---'),
  ...reports.map(({ config, engine, events, digest, discreteDigest }) =>
    row(config.recipe, config.preset, config.seed, engine, events, `\`${digest}\``, `\`${discreteDigest}\``),
  ),
  '',
  row('recipe', 'method', 'calls', 'iteration', 'right', '95 %, percent'),
  row('---', '---', '---:', '---:', '---:', '---:'),
  ...reports.flatMap(lastTests),
  '',
];
process.stdout.write(lines.join('\n'));
