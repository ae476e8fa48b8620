/**
 * Two checkouts beside each other on one machine: the same `polylogue bench` in turns, base first, the quickest round of each counts.
 * Prints one JSON object with the ratio of every measurement; exits with 1 where the second checkout is more than 5 % slower.
 *
 *   npx tsx bench/paired.ts BASE_FOLDER ROUNDS [options of polylogue bench]
 */
import { execFileSync } from 'node:child_process';
import { foldersOf, loadNow, reportAndExit, type Which } from './checkouts';

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
const folders = foldersOf(baseFolder);

/** Tokens a second of each measurement, the best so far, by its name. */
const best: Record<Which, Map<string, number>> = { base: new Map(), head: new Map() };
let about: Line | undefined;
const loadBefore = loadNow();
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
const { device, model, dtype } = about ?? {};
reportAndExit(folders, { device, model, dtype, rounds: Number(rounds), options }, loadBefore, measurements);

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
