/** What a kind of soak comes to, and the table of all kinds. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { createRng, type Rng } from './rng';

export interface SoakOptions {
  /** Disturbances, or units of work. */
  count: number;
  seed: number;
  /** Hears of the progress, one line at a time. */
  say: (line: string) => void;
  /** Whether the time is up, so that no further attempt begins. */
  over: () => boolean;
}

/** Memory of the process in MiB, early (after warming up) and at the end. */
export interface MemoryFigures {
  early: number;
  late: number;
  flat: boolean;
}

export interface SoakOutcome {
  /** What was done or disturbed, and how often it ended how. */
  outcomes: Record<string, number>;
  attempts: number;
  /** Things that were stored and then gone, results that differ, files called good that are not, waits without end. */
  lost: number;
  /** Whether every result is that of undisturbed work; null where there is none to compare. */
  equal: boolean | null;
  memory: MemoryFigures | null;
  /** Of one attempt. */
  longestMs: number;
  /** One line each, for whoever looks into a failure. */
  faults: string[];
}

export interface SoakResult extends SoakOutcome {
  kind: string;
  count: number;
  seed: number;
  date: string;
  machine: string;
  seconds: number;
  passed: boolean;
}

/** Runs one kind and judges it. */
export async function soak(
  kind: string,
  run: (options: SoakOptions, rng: Rng) => Promise<SoakOutcome>,
  options: SoakOptions,
): Promise<SoakResult> {
  const began = performance.now();
  const outcome = await run(options, createRng(options.seed, kind));
  return {
    kind,
    count: options.count,
    seed: options.seed,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
    seconds: Math.round((performance.now() - began) / 1000),
    passed:
      outcome.lost === 0 && outcome.equal !== false && outcome.memory?.flat !== false && outcome.faults.length === 0,
    ...outcome,
  };
}

/** Writes the table of all results that lie in a folder. */
export function writeTable(folder: string): void {
  const results = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as SoakResult);
  writeFileSync(join(folder, 'README.md'), soakTable(results));
}

/** The results as a page. */
export function soakTable(results: readonly SoakResult[]): string {
  const rows = results.map((result) => {
    const { memory, equal } = result;
    const cells = [
      result.kind,
      `${result.count} (seed ${result.seed})`,
      String(result.attempts),
      String(result.lost),
      equal === null ? '–' : equal ? 'equal' : 'different',
      memory === null ? '–' : `${memory.early} → ${memory.late} MiB${memory.flat ? '' : ', grows'}`,
      `${(result.longestMs / 1000).toFixed(1)} s`,
      `${result.seconds} s`,
      result.passed ? 'passed' : 'failed',
      result.date,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const details = results.map(({ kind, outcomes, machine, faults }) => {
    const counts = Object.entries(outcomes).map(([name, times]) => `${name} ${times}`);
    return [
      `- **${kind}**: ${counts.join(', ')}. ${machine}.`,
      ...faults.slice(0, 5).map((fault) => `  - ${fault}`),
    ].join('\n');
  });
  return [
    '# Soak tests',
    '',
    '`npm run soak -- --downloads 200 --seed 1` writes one file a kind here and this table anew; `npm run soak -- --help` lists the',
    'kinds. Lost counts what was stored and then gone, results that differ, files called good that are not, and waits without end.',
    '',
    '| kind | disturbances or units | attempts | lost | results | memory, early → late | longest attempt | all | outcome | date |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    '## What happened',
    '',
    ...details,
    '',
  ].join('\n');
}
