/** The log of a run outlives the thread that computes it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, unzipSync } from 'fflate';
import { afterAll, expect, it } from 'vitest';
import { createRun, Runner } from '../../src/lab/run/runner';
import { recipeNamed } from '../../src/recipes';
import { taskNamed } from '../../src/tasks';
import { Desk } from '../../tools/cli/desk';
import { ScriptedRuntime } from '../lab/scripted';
import { sampleConfig } from '../store/samples';

const scratch = mkdtempSync(join(tmpdir(), 'polylogue-desk-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

it('is written as that of a stopped run when the thread was ended in the middle', async () => {
  const config = sampleConfig();
  const desk = new Desk();
  const { id } = await createRun(desk.store, config);
  const out = join(scratch, 'run.zip');
  await desk.begun(id, out);
  // The thread gets stuck and never comes back.
  const stuck = new Promise<void>((hung) => {
    const runtime = new ScriptedRuntime({ hangAt: 20, hung });
    const parts = { recipe: recipeNamed(config.recipe), runtime, task: taskNamed(config.task) };
    void new Runner({ ...parts, adapters: runtime, store: desk.store }).run(id);
  });
  await stuck;
  expect(await desk.keepStopped()).toBeNull();
  const files = unzipSync(new Uint8Array(readFileSync(out)));
  const record = JSON.parse(strFromU8(files['run.json']!)) as { status: string; events: number };
  expect(record.status).toBe('stopped');
  expect(record.events).toBeGreaterThan(0);
  expect(strFromU8(files['log.jsonl']!).trimEnd().split('\n')).toHaveLength(record.events);
  // Resumable: another thread goes on from there.
  const runtime = new ScriptedRuntime();
  const parts = { recipe: recipeNamed(config.recipe), runtime, task: taskNamed(config.task) };
  const ended = await new Runner({ ...parts, adapters: runtime, store: desk.store }).run(id);
  expect(ended.status).toBe('finished');
});

it('says why the file cannot be written', async () => {
  const desk = new Desk();
  const { id } = await createRun(desk.store, sampleConfig());
  await desk.begun(id, join(scratch, 'nowhere', 'run.zip'));
  expect(await desk.keepStopped()).toBe('no such file');
});
