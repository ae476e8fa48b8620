/**
 * Plays a seed of committed comparisons again and says whether its logs have the same digests. The code changes, the tables stay: this tells
 * whether they would still come out.
 *
 *     npx tsx bench/replicates/again.ts                      the first seed of every comparison of the site's models
 *     npx tsx bench/replicates/again.ts collapse-stop,…      of these
 *     npx tsx bench/replicates/again.ts all --recipes union  this method alone
 *
 * Writes bench/results/comparison/again.jsonl, one line a log. A log that has a line is played anew, and the line replaced. Ends with 1 where a log
 * differs. Training's numbers may differ by rounding from one version of the engine to the next; the discrete digest, that of answers, votes
 * and selections, may not.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { committed, comparisonIn, FOLDER, type CommittedLog } from './tables';

const LINES = join(FOLDER, 'again.jsonl');

interface Line {
  comparison: string;
  recipe: string;
  seed: number;
  /** Whether all events are the same, and whether answers, votes and selections are. */
  digest: 'same' | 'other';
  discreteDigest: 'same' | 'other';
}

function again(preset: string, { recipe, seed, settings }: CommittedLog): CommittedLog {
  const out = mkdtempSync(join(tmpdir(), 'again-'));
  const sets = Object.entries(settings).filter(([name]) => name !== 'seed');
  const args = ['--preset', preset, '--recipes', recipe, '--seeds', String(seed), '--engine', 'exact', '--out', out];
  args.push(...sets.flatMap(([name, value]) => ['--set', `${name}=${String(value)}`]));
  try {
    const { status } = spawnSync('node', ['tools/cli/polylogue.mjs', 'compare', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) throw new Error(`compare ${args.join(' ')} ended with ${String(status)}`);
    return comparisonIn(out).logs[0] as CommittedLog;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

const [names = 'all', option, recipes] = process.argv.slice(2);
const only = option === '--recipes' ? recipes?.split(',') : undefined;
const all = readdirSync(FOLDER).filter((name) => existsSync(join(FOLDER, name, 'comparison.json')));
const lines = new Map<string, Line>();
const keyOf = ({ comparison, recipe, seed }: Omit<Line, 'digest' | 'discreteDigest'>): string =>
  `${comparison} ${recipe} ${seed}`;
if (existsSync(LINES))
  for (const text of readFileSync(LINES, 'utf8').trim().split('\n')) {
    const line = JSON.parse(text) as Line;
    lines.set(keyOf(line), line);
  }
let differs = false;
for (const name of names === 'all' ? all : names.split(',')) {
  const { preset, logs } = committed(name);
  const first = logs.filter(({ recipe, settings }, i) => {
    // Other bases are no part of the site.
    const known = !String(settings['model'] ?? '').includes('-seed-');
    return known && (only?.includes(recipe) ?? true) && logs.findIndex((log) => log.recipe === recipe) === i;
  });
  for (const log of first) {
    const now = again(preset, log);
    const line: Line = {
      comparison: name,
      recipe: log.recipe,
      seed: log.seed,
      digest: now.digest === log.digest ? 'same' : 'other',
      discreteDigest: now.discreteDigest === log.discreteDigest ? 'same' : 'other',
    };
    differs ||= line.discreteDigest === 'other';
    lines.set(keyOf(line), line);
    console.log(JSON.stringify(line));
    const sorted = [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kept]) => JSON.stringify(kept));
    writeFileSync(LINES, `${sorted.join('\n')}\n`);
  }
}
process.exitCode = differs ? 1 : 0;
