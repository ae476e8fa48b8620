/** Names of runs. */
import { expect, it } from 'vitest';
import { createRun } from '../../src/lab/run/runner';
import { newRunIdentity } from '../../src/lab/run/names';
import { resolveConfig } from '../../src/recipes/resolve';
import type { RunRecord, RunStore } from '../../src/store/types';

it('are two words that no other run has', () => {
  const taken: string[] = [];
  for (let run = 0; run < 300; run++) taken.push(newRunIdentity(taken).name);
  expect(new Set(taken).size).toBe(300);
  expect(taken.every((name) => /^[a-z]+ [a-z]+( \d+)?$/.test(name))).toBe(true);
});

it('differ from those of the runs that are stored', async () => {
  const stored: RunRecord[] = [];
  const store: Pick<RunStore, 'create' | 'runs'> = {
    create: async (run) => void stored.push(run),
    runs: async () => stored,
  };
  const config = resolveConfig('arithmetic-tiny');
  for (let run = 0; run < 200; run++) await createRun(store as RunStore, config);
  expect(new Set(stored.map(({ name }) => name)).size).toBe(200);
});
