/** The command line as a child process. */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** A program and its arguments, as tools/cli/polylogue.mjs starts them. */
export function commandLine(...args: string[]): string[] {
  return [process.execPath, '--import', 'tsx', '--import', './tools/cli/register.mjs', 'tools/cli/main.ts', ...args];
}

export function polylogue(...args: string[]): Ended {
  const [program, ...command] = commandLine(...args);
  const { status, stdout, stderr } = spawnSync(program!, command, { encoding: 'utf8' });
  // Dawn's own remarks on the driver go to stderr, too.
  return { code: status, out: stdout, err: stderr.replace(/^Warning: max\w+ artificially reduced .*\n/gm, '') };
}

/** The JSON lines on stdout. */
export function objects(out: string): Record<string, unknown>[] {
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Exit code 1, nothing on stdout, one line on stderr that holds all of the words. */
export function expectRefusal(ended: Ended, ...words: string[]): void {
  expect(ended.code).toBe(1);
  expect(ended.out).toBe('');
  expect(ended.err.trimEnd().split('\n')).toHaveLength(1);
  for (const word of words) expect(ended.err).toContain(word);
}
