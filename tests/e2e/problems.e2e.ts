/** Tasks in words in a real browser: problems from a file and from the hub, a run with a tiny chat model, long answers on show. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawUniform } from '../../src/random';
import { LogDigest } from '../../src/log/digest';
import { resolveConfig } from '../../src/recipes/resolve';
import type { Answer, Question } from '../../src/runtimes/types';
import type { RunRecord } from '../../src/store/types';
import { taskFor } from '../../src/tasks';
import { gsm8k } from '../../src/tasks/gsm8k';
import { importProblems } from '../../src/tasks/importer';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';
import { tinyFiles, tinyWeights } from '../tasks/tinyChatModel';
import { axe } from './axe';
import { launch, OUT, serveLab } from './browser';
import { store, type Recorded } from './recorded';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
/** Of a tiny chat model, with a folder's name. */
let model: string;

const lines = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      question: `A farm has ${i + 3} ducks and each lays 2 eggs a day. How many eggs are that in a day?`,
      answer: `2 * ${i + 3} = ${2 * (i + 3)}\n#### ${2 * (i + 3)}`,
    }),
  ).join('\n');

beforeAll(async () => {
  mkdirSync(join(OUT, 'screenshots'), { recursive: true });
  model = join(mkdtempSync(join(tmpdir(), 'polylogue-')), 'tiny-chat');
  mkdirSync(model);
  for (const [name, bytes] of Object.entries(tinyFiles(tinyWeights(true)))) writeFileSync(join(model, name), bytes);
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

async function begin(): Promise<Visit> {
  const visit = await Visit.begin(browser);
  await visit.page.goto(lab.url);
  await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  return visit;
}

/** What a visitor has who drops a file. */
async function drop(visit: Visit, name: string, content: string): Promise<void> {
  const transfer = await visit.page.evaluateHandle(
    ([file, text]) => {
      const data = new DataTransfer();
      data.items.add(new File([text as string], file as string));
      return data;
    },
    [name, content],
  );
  const place = visit.form.getByRole('group', { name: 'Choose a file' });
  for (const type of ['dragenter', 'dragover', 'drop']) await place.dispatchEvent(type, { dataTransfer: transfer });
}

describe('problems from a file', () => {
  it('are dropped, read, played by a tiny chat model, missed when deleted, and given again', async () => {
    const visit = await begin();
    const { page, form } = visit;
    await visit.tab('Models').click();
    await page.locator('input[webkitdirectory]').setInputFiles(model);
    await page.getByText(/tiny-chat.* can be used/).waitFor();
    await visit.tab('Lab').click();
    await form.getByLabel('Model', { exact: true }).selectOption('folder:tiny-chat');

    await form.getByLabel('Task', { exact: true }).selectOption('gsm8k');
    await form.getByText('This task needs a file of problems').waitFor();
    await expect.poll(() => form.getByRole('button', { name: 'Run', exact: true }).isDisabled()).toBe(true);
    await visit.shot('task-file');
    await drop(visit, 'bad.jsonl', `${lines(2)}\n{"question": "Why?"}\n`);
    const alert = form.getByRole('alert');
    await alert.waitFor();
    await expect.poll(() => alert.innerText()).toBe('bad.jsonl: line 3: "answer" is missing');
    await visit.shot('task-file-bad');
    await drop(visit, 'farm.jsonl', `${lines(30)}\n\n${lines(1)}\n`);
    const said = form.getByRole('region', { name: 'Problems' }).getByRole('status').first();
    await said.filter({ hasText: 'farm.jsonl' }).waitFor();
    await expect.poll(() => said.innerText()).toBe('farm.jsonl: 30 problems, 1 repeated line left out.');
    await expect
      .poll(() => alert.innerText())
      .toMatch(/^farm\.jsonl holds 30 problems, fewer than the 50 for training and the 50 held out/);

    await form.locator('[data-setting=agents]').selectOption('2');
    await form.locator('[data-setting=trainProblems]').selectOption('6');
    await form.getByLabel('Held-out problems').selectOption('12');
    await visit.chooseEngine('reference');
    await form.getByLabel('Longest response').selectOption('64');
    await form.getByLabel('Weights').selectOption('f32');
    await visit.shot('task-ready');
    expect(await axe(visit, 'task')).toEqual([]);
    await visit.start();
    await page.getByRole('region', { name: 'The stage' }).locator('.bubble .words').first().waitFor();
    await visit.controls.getByRole('button', { name: 'Pause' }).click();
    await visit.untilState('paused');
    await visit.shot('task-live');

    await visit.controls.getByRole('button', { name: 'Stop' }).click();
    await visit.untilState('stopped');
    await form.getByRole('button', { name: 'Other problems…' }).click();
    await form.getByText('In this browser (1)').click();
    await form.getByRole('button', { name: 'Delete farm.jsonl' }).click();
    await form.getByText('1 run can still be looked at').waitFor();
    await form.getByRole('button', { name: 'Really delete farm.jsonl' }).click();
    await form.getByText('This task needs a file of problems').waitFor();

    await page.reload();
    await visit.tab('Models').click();
    await page.locator('input[webkitdirectory]').setInputFiles(model);
    await page.getByText(/tiny-chat.* can be used/).waitFor();
    await visit.tab('Runs').click();
    await page.getByRole('button', { name: /^Open (?!a run from)/ }).click();
    await visit.run.getByText('are not in this browser').waitFor();
    const resume = visit.run.getByRole('button', { name: 'Resume' });
    await expect.poll(() => resume.isDisabled()).toBe(true);
    await visit.shot('task-missing');
    const input = visit.run.locator('input[type=file]');
    await input.setInputFiles({ name: 'farm.jsonl', mimeType: 'text/plain', buffer: Buffer.from(lines(8)) });
    await visit.run.getByRole('alert').filter({ hasText: 'is not the farm.jsonl of this run' }).waitFor();
    const same = Buffer.from(`${lines(30)}\n\n${lines(1)}\n`);
    await input.setInputFiles({ name: 'copy of farm.jsonl', mimeType: 'text/plain', buffer: same });
    await visit.run.getByText('are not in this browser').waitFor({ state: 'detached' });
    await visit.chooseEngine('reference');
    await resume.click();
    await visit.untilState('finished');
    await expect.poll(() => visit.digest()).toMatch(/^[0-9a-f]{64}$/);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});

describe('problems from the hub', () => {
  it('are loaded page by page after a pause that the hub asks for, and can be cancelled', async () => {
    const visit = await begin();
    const { page, form } = visit;
    const rows = Array.from({ length: 150 }, (_, i) => ({
      question: `Which of these is ${i}?`,
      subject: 'anatomy',
      choices: [`${i}`, `${i + 1}`, `${i + 2}`, `${i + 3}`],
      answer: 0,
    }));
    let asked = 0;
    await page.context().route('https://datasets-server.huggingface.co/**', async (route) => {
      const query = new URL(route.request().url()).searchParams;
      const offset = Number(query.get('offset'));
      const headers = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'retry-after' };
      asked++;
      if (asked === 1) return new Promise(() => {});
      if (asked === 3) return route.fulfill({ status: 429, headers: { ...headers, 'retry-after': '1' }, body: '{}' });
      const page = rows.slice(offset, offset + Number(query.get('length')));
      const body = {
        rows: page.map((row, i) => ({ row_idx: offset + i, row, truncated_cells: [] })),
        num_rows_total: 150,
        partial: false,
      };
      return route.fulfill({ headers, json: body });
    });
    await form.getByLabel('Task', { exact: true }).selectOption('multiple-choice');
    await form.getByText('Load from the Hugging Face hub').click();
    await form.getByLabel('Subject').selectOption('anatomy');
    await form.getByRole('button', { name: 'Load', exact: true }).click();
    await form.getByRole('button', { name: 'Cancel' }).click();
    await form.getByRole('button', { name: 'Load', exact: true }).click();
    await form.getByText('100 of 150 rows').waitFor();
    await visit.shot('task-hub');
    await form.getByText('mmlu-anatomy-test.jsonl: 150 problems.').waitFor();
    await form.getByText('The first problem').click();
    await expect.poll(() => form.locator('.example').innerText()).toBe('Which of these is 0?\nA) 0\nB) 1\nC) 2\nD) 3');
    // The embedded model cannot read it, and the form says what to do.
    await expect.poll(() => form.getByRole('alert').innerText()).toMatch(/Choose an instruct model under Models/);
    await visit.shot('task-hub-loaded');
    const complaints = visit.complaints.filter((one) => !/429|ERR_ABORTED/.test(one));
    expect(complaints).toEqual([]);
    await visit.end();
  });
});

/** Solves word problems at length, now and then wrongly, as an instruct model writes. */
class LongWindedRuntime extends FakeRuntime {
  override ask(questions: Question[]): Promise<Answer[]> {
    return Promise.resolve(questions.map((question) => respond(question)));
  }
}

function respond(question: Question): Answer {
  const { draw, messages } = question;
  const luck = drawUniform({ seed: 4, ...draw }, 0);
  const ducks = Number(/has (\d+) ducks/.exec(messages[0]?.content ?? '')?.[1]);
  const slip = luck < 0.35 ? 1 : 0;
  const text =
    question.kind === 'summary'
      ? 'Both opinions multiply the number of ducks by two eggs. The first **checks** the product, the second does not.'
      : [
          "Let's solve this **step by step**.",
          '',
          '### Step 1: what is known',
          `- There are $${ducks}$ ducks.`,
          '- Each duck lays $2$ eggs a day, so the number of eggs is proportional to the number of ducks.',
          '',
          '### Step 2: calculate',
          '\\[',
          `\\text{eggs} = ${ducks} \\times 2 = ${2 * ducks + slip}`,
          '\\]',
          '',
          '### Step 3: check',
          luck > 0.6
            ? `Half of $${2 * ducks + slip}$ is $${(2 * ducks + slip) / 2}$, which fits.`
            : 'This seems right.',
          ...Array.from(
            { length: Math.floor(luck * 12) },
            (_, i) => `- Duck ${i + 1} lays two eggs, which makes ${2 * (i + 1)} so far.`,
          ),
          '',
          `Therefore the farm gets \\(\\boxed{${2 * ducks + slip}}\\) eggs a day.`,
        ].join('\n');
  const tokens = Math.ceil(text.length / 4);
  const chances = Array.from({ length: tokens }, (_, token) => drawUniform({ seed: 5, ...draw }, token + 1));
  return {
    text,
    finish: 'stop',
    tokens,
    logprobs: chances.map((u) => -Math.round(1000 * u ** 6) / 1000),
    margins: chances.map((u) => Math.round(100 * (6 - 6 * u ** 4)) / 100),
  };
}

async function recordedInWords(): Promise<Recorded> {
  const file = importProblems(gsm8k, 'farm.jsonl', new TextEncoder().encode(lines(20)));
  const config = resolveConfig('gsm8k-quick', {
    'data.name': file.name,
    'data.sha256': file.sha256,
    trainProblems: 8,
    evaluationProblems: 6,
  });
  const events = await logOf(new LongWindedRuntime(), config, taskFor(config, file));
  const digest = new LogDigest();
  for (const event of events) digest.add(event);
  const record: RunRecord = {
    schema: 1,
    id: 'wordy-owl',
    name: 'wordy owl',
    created: Date.now(),
    updated: Date.now(),
    config,
    status: 'finished',
    error: null,
    progress: 1,
    events: events.length,
    digest: digest.hex,
    engine: 'fake: none',
  };
  return { record, events };
}

describe('long answers', () => {
  it.each([
    ['light', 1360, 'light'],
    ['dark', 1360, 'dark'],
    ['phone', 360, 'light'],
  ] as const)('are folded, keep their lines and LaTeX, and open on demand (%s)', async (name, width, colorScheme) => {
    const visit = await Visit.begin(browser, {
      viewport: { width, height: 860 },
      colorScheme,
      reducedMotion: 'reduce',
    });
    const { page } = visit;
    await page.goto(lab.url);
    await page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
    await store(page, [await recordedInWords()]);
    await visit.tab('Runs').click();
    await page.getByRole('button', { name: 'Open wordy owl' }).click();
    await page.getByRole('region', { name: 'The stage' }).locator('.bubble .words').first().waitFor();
    await visit.shot(`words-stage-${name}`);
    expect(await axe(visit, 'stage')).toEqual([]);
    await visit.tab('Debates').click();
    const card = page.locator('.card').first();
    await card.waitFor();
    const text = card.locator('.text');
    const full = await text.innerText();
    expect(full.split('\n').length).toBeGreaterThan(12);
    expect(full).toMatch(/\\boxed\{\d+\}/);
    const unfold = page.getByRole('button', { name: /^Show all of agent . round 1/ }).first();
    if ((await unfold.count()) > 0) {
      const before = (await card.boundingBox())!.height;
      await unfold.click();
      await expect.poll(async () => (await card.boundingBox())!.height).toBeGreaterThan(before);
    }
    await page.getByText('what it was asked').last().click();
    await visit.shot(`words-debates-${name}`);
    expect(await axe(visit, 'debates')).toEqual([]);
    await expect.poll(() => visit.overflow()).toBeLessThanOrEqual(0);
    await visit.tab('Data sets').click();
    await page.getByText('Completion (the loss is on this)').waitFor();
    await visit.shot(`words-datasets-${name}`);
    expect(await axe(visit, 'data sets')).toEqual([]);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});
