/** Checks of a stored run: what holds, and what was changed in the store. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import { readConfig } from '../../src/engine/stream';
import { LabStateError, OtherModelError } from '../../src/lab/errors';
import { checkStored } from '../../src/lab/stored/checkRun';
import { importRun } from '../../src/lab/stored/import';
import { repeatedRun, repeatVerdict } from '../../src/lab/stored/repeated';
import type { CheckMode } from '../../src/lab/types';
import { MemoryRunStore } from '../../src/store/memory';
import type { RunRecord } from '../../src/store/types';
import { NO_PULSE } from '../../src/supervision';
import { polylogue } from '../cli/program';

let bytes: Uint8Array;
let store: MemoryRunStore;
let run: RunRecord;

beforeAll(() => {
  const scratch = mkdtempSync(join(tmpdir(), 'polylogue-check-'));
  const file = join(scratch, 'run.zip');
  const few = ['trainProblems=3', 'evaluationProblems=2', 'chunk=2', 'finetune.batchSize=4'];
  const { code } = polylogue(
    ...['run', '--preset', 'arithmetic-tiny', '--seed', '4', '--engine', 'exact', '--workers', '1', '--out', file],
    ...few.flatMap((setting) => ['--set', setting]),
  );
  expect(code).toBe(0);
  bytes = new Uint8Array(readFileSync(file));
  rmSync(scratch, { recursive: true, force: true });
}, 120_000);

beforeEach(async () => {
  store = new MemoryRunStore();
  const model = () => readConfig(folderSource('static/models/arithmetic-0.4m'));
  ({ run } = await importRun(store, 'run.zip', bytes, model));
});

/** Other weights than the run's stand ready. */
const otherModel = { runtime: () => Promise.resolve({ hash: 'b'.repeat(64) } as never) };

const check = (mode: CheckMode = 'replay') =>
  checkStored(store, run, { runId: run.id, mode, engine: 'auto', units: 3, draw: 1 }, otherModel, () => {}, NO_PULSE);
const failed = async () => (await check()).checks.filter(({ ok }) => ok === false).map(({ check }) => check);

describe('a run from a file', () => {
  it('is marked, and holds what it claims', async () => {
    expect(run.imported).toBe(true);
    expect(await check()).toEqual({
      mode: 'replay',
      holds: true,
      checks: [
        { check: 'the digest of the log', ok: true, detail: '' },
        { check: 'the adapters', ok: true, detail: '7 of 7 are at hand' },
        { check: 'votes, data sets and scores follow from the answers', ok: true, detail: '' },
      ],
    });
  });

  it('is found out where its record or an adapter was changed', async () => {
    run = { ...run, digest: 'c'.repeat(64) };
    expect(await failed()).toEqual(['the digest of the log']);
    run = await store.run(run.id);
    const [name] = await store.adapters(run.id);
    const [tensor] = (await store.adapter(run.id, name!)).tensors.values();
    tensor!.data[0]! += 1;
    expect(await failed()).toContain('the adapters');
  });

  it('is not checked with another model, and not before it is finished', async () => {
    await expect(check('spot-check')).rejects.toThrow(OtherModelError);
    run = { ...run, status: 'stopped' };
    await expect(check()).rejects.toThrow(LabStateError);
  });
});

describe('a run that repeats another one', () => {
  const again = async (change: (record: RunRecord) => RunRecord = (record) => record): Promise<RunRecord> => {
    const repeats = await repeatedRun(store, run);
    const other = change({ ...run, id: 'other', name: 'other', repeats });
    await store.rewrite({ record: other, events: await store.events(run.id), adapters: [], checkpoints: [] });
    return other;
  };

  it('is compared by both logs, and by receipts once the first is gone', async () => {
    const other = await again();
    expect(other.repeats?.modelHash).toMatch(/^\w{64}$/);
    expect(await repeatVerdict(store, other)).toMatchObject({ by: 'log', run: { verdict: 'same-bytes' } });
    await store.delete(run.id);
    expect(await repeatVerdict(store, other)).toMatchObject({ by: 'receipt', run: { verdict: 'same-bytes' } });
  });

  it('has no verdict before it is finished, or where it repeats nothing', async () => {
    await expect(repeatVerdict(store, run)).rejects.toThrow(LabStateError);
    await expect(repeatVerdict(store, await again((one) => ({ ...one, status: 'stopped' })))).rejects.toThrow(
      LabStateError,
    );
  });
});

it('is refused where an adapter that a unit needs was not kept', async () => {
  await store.deleteAdapters(run.id, await store.adapters(run.id));
  const hash = (await store.events(run.id)).flatMap((event) =>
    event.type === 'run-started' ? [event.model.hash] : [],
  )[0];
  const models = { runtime: () => Promise.resolve({ hash, runtime: idle, engine: {} } as never) };
  const request = { runId: run.id, mode: 'spot-check', engine: 'auto', units: 100, draw: 1 } as const;
  await expect(checkStored(store, run, request, models, () => {}, NO_PULSE)).rejects.toThrow(FileError);
});

/** Answers nothing; new adapters it takes. */
const idle = {
  can: { repeats: false },
  describe: () => ({}),
  ask: () => Promise.resolve([]),
  createAdapter: () => Promise.resolve(),
  train: async function* () {},
  adapterHash: () => Promise.resolve('none'),
};
