/** What runs leave in the store, as it is foreseen; thinning; what could not be recorded is recorded later. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, describe, expect, it } from 'vitest';
import { LabStateError } from '../../src/lab/errors';
import { keptBytes } from '../../src/lab/progress/estimate';
import { Lab } from '../../src/lab/lab';
import { perplexity } from '../../src/lab/setup/perplexity';
import type { Engine } from '../../src/engine/types';
import { IndexedRunStore } from '../../src/store/indexed';
import { readRecords } from '../../src/tasks/records';
import { plainString } from '../../src/tasks/textLines';
import { sampleConfig, sampleEvents, sampleRecord } from '../store/samples';

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

const lab = () =>
  new Lab({
    openStore: () => IndexedRunStore.open(),
    openModel: () => Promise.reject(new Error('no model')),
    loadTokenizer: () => Promise.reject(new Error('no tokenizer')),
    locks: null,
    channel: null,
  });

describe('adapters that a run will leave', () => {
  // Room for 2 · 3 + 1 adapters of rank 4, 100 bytes a rank.
  const pool = 7 * 4 * 100;
  it.each([
    ['all', {}, 2 * 7 * 200],
    ['last', {}, 7 * 200],
    ['none', {}, 0],
    ['last', { singleAgentBaseline: false }, 6 * 200],
    ['last', { rounds: 1 }, 4 * 200],
    ['all', { iterations: 0 }, 0],
    ['last', { adapter: { rank: 4, alpha: 4, targets: ['q_proj' as const] } }, 7 * 400],
  ] as const)('%s, %o: %i bytes', (keep, changes, bytes) => {
    expect(keptBytes(sampleConfig(changes as object), pool, keep)).toBe(bytes);
  });
});

it.each(['running', 'paused', 'stopped', 'failed'] as const)('a run that is %s is not thinned', async (status) => {
  const store = await IndexedRunStore.open();
  await store.create(sampleRecord('a-run', { status }));
  const thinned = lab().thin('a-run', 'none');
  await expect(thinned).rejects.toThrow(LabStateError);
  await expect(thinned).rejects.toThrow(/name of a-run has not finished, and goes on from its adapters\. Finish it/);
});

it('a finished run is thinned and measured', async () => {
  const store = await IndexedRunStore.open();
  await store.create(sampleRecord());
  await store.append('a-run', { from: 0, events: sampleEvents, digest: 'd', progress: 1 });
  await store.update('a-run', { status: 'finished' });
  expect(await lab().thin('a-run', 'none')).toMatchObject({ adapters: [], damage: null });
});

describe('the text of a check', () => {
  const nobody = {} as Engine;
  it('is read as the command reads its file', () => {
    expect(plainString('the text', '\uFEFFOne\nTwo 😀')).toBe('One\nTwo 😀');
    expect(() => plainString('the text', 'a\uD83D')).toThrow(/the text: is not UTF-8 text: .*half a character/);
    expect(() => plainString('the text', '\uDE00\uD83D')).toThrow(/half a character/);
  });
  it('is refused where nothing can be predicted', async () => {
    await expect(perplexity(nobody, [])).rejects.toThrow(/The text is empty, .*Give a longer text/);
    await expect(perplexity(nobody, [1])).rejects.toThrow(/has one token/);
  });
});

describe('a list within an object', () => {
  const form = { column: 'question', line: '{"question", "answer"}' };
  const read = (text: string) => readRecords('a.json', new TextEncoder().encode(text), form);
  it.each([
    '{"data": [{"question": "1", "answer": "2"}]}',
    '{\n  "rows": [\n    {"question": "1"}\n  ]\n}',
    '\n{"data":[{"question":"1"},\n{"question":"2"}]}',
  ])('is asked for alone (%#)', (text) => {
    expect(() => read(text)).toThrow(
      /a\.json: line \d: holds its problems in a list under "(data|rows)"; give the list/,
    );
  });
  it('is a field where every line has one', () => {
    const line = '{"messages": [{"role": "user"}], "question": "1"}';
    expect(read(`${line}\n${line}`)).toHaveLength(2);
    expect(() => read('{"messages": [{"role": "user"}], "question": "1"}')).not.toThrow();
  });
});
