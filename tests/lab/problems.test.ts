/** Runs whose problems are in a file: kept in the browser, found again by another page, refused when missing or another. */
import 'fake-indexeddb/auto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { LabBusyError } from '../../src/lab/errors';
import { resolveConfig } from '../../src/recipes/resolve';
import { ProblemsMissingError } from '../../src/store/errors';
import { ProblemFileError, TaskError } from '../../src/tasks/errors';
import { indexLog } from '../../src/ui/readings/logIndex';
import { tinyFiles, tinyWeights } from '../tasks/tinyChatModel';
import { closeLabs, idle, modelFiles, referenceLab } from './testLab';

let base: string;
let engines = 0;
const newLab = () => referenceLab(base, () => engines++);

/** New bytes for every call: what is passed on is given away. */
const file = (last = '#### 1,009') =>
  new TextEncoder().encode(
    [
      ...Array.from({ length: 8 }, (_, i) => ({ question: `What is ${i}+1?`, answer: `#### ${i + 1}` })),
      { question: 'What is 0+1?', answer: '#### 1.0' },
      { question: 'What is 1008+1?', answer: last },
    ]
      .map((line) => JSON.stringify(line))
      .join('\n'),
  );

const settings = (data: { name: string; sha256: string }, changes: Record<string, string | number> = {}) =>
  resolveConfig('gsm8k-quick', {
    model: 'tiny',
    'data.name': data.name,
    'data.sha256': data.sha256,
    agents: 2,
    trainProblems: 3,
    evaluationProblems: 2,
    chunk: 1,
    'sampling.maxTokens': 3,
    minimumVotes: 1,
    dtype: 'f32',
    ...changes,
  });

beforeAll(() => {
  const root = mkdtempSync(join(tmpdir(), 'polylogue-lab-'));
  const folder = join(root, 'models', 'tiny');
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(tinyFiles(tinyWeights()))) writeFileSync(join(folder, name), bytes);
  base = `${pathToFileURL(root).href}/`;
});
beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
  engines = 0;
});
afterEach(closeLabs);

describe('problems from a file', () => {
  it('are read with what was left out, and named with their line when wrong', async () => {
    const { lab } = newLab();
    const summary = await lab.keepProblems('gsm8k', 'school.jsonl', file());
    expect(summary).toMatchObject({
      name: 'school.jsonl',
      problems: 9,
      repeated: 1,
      example: { question: 'What is 0+1?', gold: '1' },
    });
    expect(await lab.readProblems('jsonl', summary.sha256)).toMatchObject({ problems: 9, name: 'school.jsonl' });
    await expect(lab.readProblems('multiple-choice', summary.sha256)).rejects.toThrow(
      'school.jsonl: line 1: "choices" is not a list',
    );
    await expect(lab.keepProblems('gsm8k', 'bad.jsonl', file('no mark'))).rejects.toBeInstanceOf(ProblemFileError);
    await expect(lab.keepProblems('arithmetic', 'school.jsonl', file())).rejects.toBeInstanceOf(TaskError);
    expect((await lab.problemFiles()).map(({ name }) => name)).toEqual(['school.jsonl']);
  });

  it('are played, watched by another page, and resumed there to the digest of an undisturbed run', async () => {
    const first = newLab();
    const config = settings(await first.lab.keepProblems('gsm8k', 'school.jsonl', file()));
    const { id } = await first.lab.start(config, 'auto');
    await expect(first.lab.deleteProblems(config.data!.sha256)).rejects.toBeInstanceOf(LabBusyError);
    await first.until(idle);
    const whole = await first.lab.run(id);
    expect(whole).toMatchObject({ status: 'finished', error: null });

    const { id: cut } = await first.lab.start(config, 'auto');
    await first.until(
      (message) =>
        message.type === 'events' && message.runId === cut && message.events.some(({ type }) => type === 'episode'),
    );
    await first.lab.stop();
    expect(await first.lab.run(cut)).toMatchObject({ status: 'stopped' });
    const second = newLab();
    // What is on show needs no file: the log holds the problems.
    const { events } = await second.lab.run(cut);
    const log = (await second.lab.lines(cut, 0, events)).map((line) => JSON.parse(line) as RunEvent);
    const [row] = indexLog(log).rows;
    expect(row?.problem?.question).toMatch(/^What is \d+\+1\?$/);
    await second.lab.resume(cut, 'auto');
    await second.until(idle);
    expect(second.messages.filter(({ type }) => type === 'error')).toEqual([]);
    expect(await second.lab.run(cut)).toMatchObject({ status: 'finished', digest: whole.digest });
  });

  it('are asked for when they are missing, and no other file will do', async () => {
    const { lab, messages, until } = newLab();
    const summary = await lab.keepProblems('gsm8k', 'school.jsonl', file());
    const config = settings(summary);
    const { id } = await lab.start(config, 'auto');
    await lab.stop();
    await until(idle);
    await lab.deleteProblems(summary.sha256);
    const before = engines;
    await expect(lab.resume(id, 'auto')).rejects.toBeInstanceOf(ProblemsMissingError);
    await expect(lab.resume(id, 'auto')).rejects.toThrow(/school\.jsonl, are not stored.*choose the same file/);
    await expect(lab.start(config, 'auto')).rejects.toBeInstanceOf(ProblemsMissingError);
    expect((await lab.runs()).runs.length).toBe(1);
    expect(engines).toBe(before);

    await expect(lab.keepProblems('gsm8k', 'other.jsonl', file('#### 7'), config.data)).rejects.toThrow(
      /other\.jsonl: is not the school\.jsonl of this run/,
    );
    expect(await lab.problemFiles()).toEqual([]);
    await lab.keepProblems('gsm8k', 'the same under another name.jsonl', file(), config.data);
    messages.length = 0;
    await lab.resume(id, 'auto');
    await until(idle);
    expect(await lab.run(id)).toMatchObject({ status: 'finished' });
    await lab.delete(id);
    expect(await lab.problemFiles()).toEqual([]);
  });

  it('are refused before the weights are loaded where the model cannot read them', async () => {
    const { lab, messages, until } = newLab();
    // The tokenizer of the embedded model, which knows the signs of arithmetic only.
    const folder = fileURLToPath(new URL('models/digits', base));
    mkdirSync(folder, { recursive: true });
    const embedded = modelFiles(new URL('../../static/models/arithmetic-0.4m', import.meta.url).href);
    for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
      writeFileSync(join(folder, name), await embedded.read(name));
    const config = settings(await lab.keepProblems('gsm8k', 'school.jsonl', file()), { model: 'digits' });
    const { id } = await lab.start(config, 'auto');
    await until(idle);
    const error = messages.find((message) => message.type === 'error');
    expect(error?.message).toMatch(/its tokenizer cannot write the prompts of task gsm8k; choose an instruct model/);
    expect(await lab.run(id)).toMatchObject({ status: 'failed' });
    expect(engines).toBe(0);
  });
});
