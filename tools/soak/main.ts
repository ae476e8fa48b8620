/** `npm run soak -- --downloads 200 --seed 1`: long tests, bounded and seeded. Each kind writes a file, all a table. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KINDS } from './kinds';
import { soak, writeTable } from './result';

const HELP = `npm run soak -- OPTIONS

${Object.entries(KINDS)
  .map(([kind, { counts }]) => `  --${kind} N`.padEnd(22) + counts)
  .join('\n')}
  --seed N            of all that is drawn (1)
  --minutes N         after which no further attempt begins (no limit; kinds in a browser)
  --out DIR           where results are written (bench/results/soak)
`;

const MOST = 1_000_000;

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= MOST) return value;
  throw new Error(`--${option} ${text}: give a whole number from ${least} to ${MOST}`);
}

async function main(): Promise<void> {
  const options = Object.fromEntries(
    [...Object.keys(KINDS), 'seed', 'out', 'minutes'].map((name) => [name, { type: 'string' as const }]),
  );
  const parsed = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
  const values: Readonly<Record<string, string | boolean | undefined>> = parsed.values;
  const asked = Object.entries(KINDS).filter(([kind]) => values[kind] !== undefined);
  if (values['help'] || asked.length === 0) return void process.stdout.write(HELP);
  const seed = wholeNumber('seed', String(values['seed'] ?? '1'), 0);
  const out = String(values['out'] ?? 'bench/results/soak');
  const counts = asked.map(([kind]) => wholeNumber(kind, String(values[kind]), 1));
  const minutes = wholeNumber('minutes', String(values['minutes'] ?? MOST), 1);
  mkdirSync(out, { recursive: true });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  for (const [index, [kind, { load }]] of asked.entries()) {
    const end = performance.now() + minutes * 60_000;
    const over = (): boolean => performance.now() >= end;
    const result = await soak(kind, await load(), { count: counts[index] as number, seed, say, over });
    writeFileSync(join(out, `${kind}.json`), `${JSON.stringify(result, null, 2)}\n`);
    writeTable(out);
    say(`${kind}: ${result.passed ? 'passed' : 'FAILED'} in ${result.seconds} s, ${result.attempts} attempts`);
    if (!result.passed) process.exitCode = 1;
  }
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
// A hung attempt or a device would keep the process alive.
process.exit();
