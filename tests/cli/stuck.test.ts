/** Ctrl-C while the thread of a command computes for ever in the middle of a run: it is ended, and what was done is in the bundle. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { unzipSync } from 'fflate';
import { afterAll, expect, it } from 'vitest';
import { commandLine } from './program';

const scratch = mkdtempSync(join(tmpdir(), 'polylogue-stuck-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

it('is ended with its log kept', async () => {
  const out = join(scratch, 'stuck.zip');
  const flag = join(scratch, 'loops');
  const [program, ...args] = commandLine('run', '--engine', 'reference', '--set', 'chunk=1', '--out', out);
  const env = {
    ...process.env,
    LOOPS: flag,
    NODE_OPTIONS: `--import ${pathToFileURL(resolve('tests/cli/loopInRun.mjs')).href}`,
  };
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let err = '';
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const looking = setInterval(() => {
    if (!existsSync(flag)) return;
    clearInterval(looking);
    child.kill('SIGINT');
  }, 50);
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(err).toContain(`interrupted; the log so far is in ${out}`);
  expect(code).toBe(130);
  const files = unzipSync(new Uint8Array(readFileSync(out)));
  const run = JSON.parse(new TextDecoder().decode(files['run.json'])) as { status: string; events: number };
  const log = new TextDecoder().decode(files['log.jsonl']).trimEnd().split('\n');
  expect([run.status, run.events]).toEqual(['stopped', log.length]);
  expect(run.events).toBeGreaterThanOrEqual(3);
  expect(JSON.parse(log[0]!)).toMatchObject({ type: 'run-started' });
});
