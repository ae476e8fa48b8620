import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/models/retry';
import { HubDatasetError, type HubDatasetProblem } from '../../src/tasks/errors';
import { HUB_DATASETS, loadHubRows, type HubDataset, type HubRowsChoice } from '../../src/tasks/hubDataset';
import { readProblemFile } from '../../src/tasks/importer';
import { taskNamed } from '../../src/tasks';
import { DatasetServer } from './datasetServer';

const server = new DatasetServer();
const dataset = (id: string) => HUB_DATASETS.find((one) => one.id === id) as HubDataset;
const gsm8k: HubRowsChoice = { dataset: dataset('openai/gsm8k'), config: 'main', split: 'test', most: null };

/** Waits pass at once, and are written down; the limit on an answer's time never comes unless it is asked for. */
function fast(): { clock: Clock; waits: number[] } {
  const waits: number[] = [];
  let now = 0;
  const sleep = (ms: number, signal?: AbortSignal) => {
    if (ms >= 60_000 && signal) return new Promise<void>((_, reject) => signal.addEventListener('abort', reject));
    waits.push(ms);
    now += ms;
    return Promise.resolve();
  };
  return { clock: { now: () => now, sleep }, waits };
}

const load = (choice = gsm8k, options: Parameters<typeof loadHubRows>[1] = {}) =>
  loadHubRows(choice, { endpoint: server.endpoint, clock: fast().clock, random: () => 0, ...options });

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.reset();
  server.splits.set(
    'openai/gsm8k main test',
    Array.from({ length: 250 }, (_, i) => ({ answer: `So.\n#### ${i},000`, id: i, question: `Question ${i}?` })),
  );
});

describe('rows of the hub', () => {
  it('come page by page and are read by the importer', async () => {
    const progress: [number, number][] = [];
    const file = await load(gsm8k, { onProgress: (done, total) => progress.push([done, total]) });
    expect(server.requests).toEqual([0, 100, 200].map((offset) => ({ offset, length: offset === 200 ? 50 : 100 })));
    expect(progress).toEqual([100, 200, 250].map((done) => [done, 250]));
    expect(file).toMatchObject({ name: 'gsm8k-main-test.jsonl', rows: 250, total: 250 });
    const { problems } = readProblemFile(taskNamed('gsm8k'), file.name, file.bytes);
    expect(problems.length).toBe(250);
    expect(problems[249]).toMatchObject({ question: 'Question 249?', gold: '249000' });
    // Another order of fields, or a new one, is the same file.
    server.splits.set(
      'openai/gsm8k main test',
      server.splits.get('openai/gsm8k main test')!.map(({ question, answer }) => ({ question, answer, more: 1 })),
    );
    expect((await load()).bytes).toEqual(file.bytes);
  });

  it('come no more than asked for', async () => {
    const file = await load({ ...gsm8k, most: 120 });
    expect(server.requests.map(({ length }) => length)).toEqual([100, 20]);
    expect(file).toMatchObject({ name: 'gsm8k-main-test-first-120.jsonl', rows: 120, total: 250 });
    expect((await load({ ...gsm8k, most: 1000 })).name).toBe('gsm8k-main-test.jsonl');
    expect((await load({ ...gsm8k, most: 30 })).rows).toBe(30);
  });

  it('are multiple choice in two layouts', async () => {
    expect(new Set(dataset('cais/mmlu').configs).size).toBe(58);
    server.splits.set('cais/mmlu anatomy test', [
      { question: 'Which?', subject: 'anatomy', choices: ['a', 'b', 'c', 'd'], answer: 2 },
    ]);
    server.splits.set('tau/commonsense_qa default validation', [
      {
        id: 'x',
        question: 'Where?',
        question_concept: 'y',
        choices: { label: ['A', 'B', 'C'], text: ['here', 'there', 'nowhere'] },
        answerKey: 'B',
      },
    ]);
    const golds: string[] = [];
    for (const [id, config, split] of [
      ['cais/mmlu', 'anatomy', 'test'],
      ['tau/commonsense_qa', 'default', 'validation'],
    ] as const) {
      const file = await load({ dataset: dataset(id), config, split, most: null });
      const read = readProblemFile(taskNamed('multiple-choice'), file.name, file.bytes);
      golds.push(...read.problems.map(({ gold = '' }) => gold));
    }
    expect(golds).toEqual(['C', 'B']);
  });
});

describe('what passes', () => {
  it('waits as long as the server asks, and goes on where it was', async () => {
    const { clock, waits } = fast();
    server.fault = (_, count) =>
      count === 2 ? { kind: 'status', status: 429, headers: { 'retry-after': '20' }, error: 'Too many' } : null;
    const file = await load(gsm8k, { clock });
    expect(file.rows).toBe(250);
    expect(waits).toEqual([20_000]);
    expect(server.requests.map(({ offset }) => offset)).toEqual([0, 100, 100, 200]);
  });

  it('waits longer than for a passing fault where the server does not say how long', async () => {
    const { clock, waits } = fast();
    server.fault = (_, count) => (count <= 2 ? { kind: 'status', status: 429, error: 'Too many' } : null);
    await load(gsm8k, { clock });
    expect(waits).toHaveLength(2);
    expect(waits[0]).toBeGreaterThanOrEqual(15_000);
    expect(waits[1]).toBeGreaterThanOrEqual(30_000);
  });

  it('survives cut connections, a server that is not ready and short pages', async () => {
    const whole = (await load()).bytes;
    server.reset();
    server.fault = ({ offset }, count) => {
      if (count === 1) return { kind: 'status', status: 500, error: 'The server is busier than usual' };
      if (count === 3) return { kind: 'cut' };
      if (count === 5) return { kind: 'edit', edit: (answer) => ({ ...answer, rows: answer.rows.slice(1) }) };
      return offset === 200 && count < 8 ? { kind: 'edit', edit: () => 'no' } : null;
    };
    expect((await load()).bytes).toEqual(whole);
  });

  it('asks again when an answer never comes', async () => {
    let limits = 0;
    const { clock } = fast();
    const impatient: Clock = {
      now: clock.now,
      sleep: (ms, signal) => (ms >= 60_000 && limits++ === 0 ? Promise.resolve() : clock.sleep(ms, signal)),
    };
    server.fault = (_, count) => (count === 1 ? { kind: 'stall' } : null);
    expect((await load(gsm8k, { clock: impatient })).rows).toBe(250);
  });
});

describe('what does not', () => {
  const refusal = async (choice: HubRowsChoice, options?: Parameters<typeof load>[1]) => {
    const error: unknown = await load(choice, options).catch((reason: unknown) => reason);
    if (!(error instanceof HubDatasetError)) throw error;
    return error;
  };

  it('says that a dataset is missing, once', async () => {
    const error = await refusal({ ...gsm8k, config: 'other' });
    expect(error.problem).toBe('missing');
    expect(error.message).toMatch(/^openai\/gsm8k \(other, test\): .*not open to everyone.*choose a file/);
    expect(server.requests.length).toBe(1);
  });

  it.each<[HubDatasetProblem, RegExp, DatasetServer['fault']]>([
    ['limited', /few minutes/, () => ({ kind: 'status', status: 429 })],
    ['limited', /few minutes/, () => ({ kind: 'status', status: 429, headers: { 'retry-after': '4000' } })],
    ['failing', /HTTP 503 \(“Down”\)/, () => ({ kind: 'status', status: 503, error: 'Down.' })],
    ['unreadable', /HTTP 422/, () => ({ kind: 'status', status: 422, error: 'length' })],
    ['offline', /cannot be reached, or breaks off/, () => ({ kind: 'cut' })],
    [
      'unreadable',
      /0 rows came from row 100 on, 100 were due/,
      ({ offset }) => (offset === 100 ? { kind: 'edit', edit: (answer) => ({ ...answer, rows: [] }) } : null),
    ],
    [
      'unreadable',
      /changed while it was loaded \(250 rows, now 249\)/,
      ({ offset }) => (offset > 0 ? { kind: 'edit', edit: (answer) => ({ ...answer, num_rows_total: 249 }) } : null),
    ],
    ['unreadable', /only a part/, () => ({ kind: 'edit', edit: (answer) => ({ ...answer, partial: true }) })],
    [
      'unreadable',
      /row 7 came cut off/,
      () => ({
        kind: 'edit',
        edit: (answer) => {
          answer.rows[7]!.truncated_cells = ['answer'];
          return answer;
        },
      }),
    ],
    [
      'unreadable',
      /row 100 is not in its place/,
      ({ offset }) =>
        offset === 100 ? { kind: 'edit', edit: (answer) => ({ ...answer, rows: answer.rows.toReversed() }) } : null,
    ],
  ])('names it (%s, %s)', async (problem, message, fault) => {
    server.fault = fault;
    const error = await refusal(gsm8k);
    expect(error.problem).toBe(problem);
    expect(error.message).toMatch(message);
  });

  it('is offline', async () => {
    expect((await refusal(gsm8k, { endpoint: 'http://127.0.0.1:9' })).problem).toBe('offline');
  });

  it('stops when told to, between pages and while waiting', async () => {
    const stop = new AbortController();
    const loading = load(gsm8k, { signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) });
    await expect(loading).rejects.toThrow('enough');
    expect(server.requests.length).toBe(1);
    const second = new AbortController();
    server.fault = () => ({ kind: 'stall' });
    const waiting = load(gsm8k, { signal: second.signal });
    setTimeout(() => second.abort(new Error('now')), 20);
    await expect(waiting).rejects.toThrow('now');
  });
});
