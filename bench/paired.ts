/**
 * Two checkouts beside each other on one machine: the same `polylogue bench` in turns, base first, the quickest round of each counts.
 * Prints one JSON object with the ratio of every measurement; exits with 1 where the second checkout is more than 5 % slower.
 *
 *   npx tsx bench/paired.ts BASE_FOLDER ROUNDS [options of polylogue bench]
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { resolve } from 'node:path';

/** Slower by more than this share is a loss. */
const TOLERANCE = 0.05;

interface Line {
  what: string;
  rows?: number;
  adapters?: number;
  tokensPerSecond?: number;
  device?: string;
  model?: string;
  dtype?: string;
}

const [baseFolder, rounds, ...options] = process.argv.slice(2);
if (baseFolder === undefined || !(Number(rounds) >= 1)) {
  console.error(
    'npx tsx bench/paired.ts BASE_FOLDER ROUNDS [options of polylogue bench]: a folder and a number of rounds',
  );
  process.exit(2);
}
const folders = { base: resolve(baseFolder), head: process.cwd() };

/** Tokens a second of each measurement, the best so far, by its name. */
const best: Record<keyof typeof folders, Map<string, number>> = { base: new Map(), head: new Map() };
let about: Line | undefined;
const load = loadavg()[0] ?? 0;
for (let round = 0; round < Number(rounds); round++) {
  for (const which of ['base', 'head'] as const) {
    for (const line of bench(folders[which])) {
      if (line.what === 'device') about = line;
      if (line.tokensPerSecond === undefined) continue;
      // Batches of prompts and of training are as large as the device is fast.
      const rows = line.what === 'decode' ? `, ${line.rows} rows` : '';
      const name = `${line.what}${rows}, ${line.adapters} adapters`;
      best[which].set(name, Math.max(best[which].get(name) ?? 0, line.tokensPerSecond));
    }
  }
}

const measurements = [...best.head].flatMap(([name, head]) => {
  const base = best.base.get(name);
  return base === undefined ? [] : [{ name, base, head, ratio: Number((head / base).toFixed(3)) }];
});
const slower = measurements.filter(({ ratio }) => ratio < 1 - TOLERANCE).map(({ name }) => name);
console.log(
  JSON.stringify(
    {
      device: about?.device,
      model: about?.model,
      dtype: about?.dtype,
      commits: { base: commitOf(folders.base), head: commitOf(folders.head) },
      rounds: Number(rounds),
      options,
      cores: availableParallelism(),
      loadBefore: Number(load.toFixed(1)),
      tolerance: TOLERANCE,
      slower,
      measurements,
    },
    null,
    2,
  ),
);
process.exit(slower.length > 0 ? 1 : 0);

function bench(folder: string): Line[] {
  const text = execFileSync('node', ['tools/cli/polylogue.mjs', 'bench', '--json', ...options], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

function commitOf(folder: string): string {
  return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: folder, encoding: 'utf8' }).trim();
}
