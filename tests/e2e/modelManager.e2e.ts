/** A visitor and models: look up, download, reload in the middle, go on, use in a run, delete; a folder from the disk. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Locator } from 'playwright';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../src/engine/safetensors';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';
import { tinyFiles, tinyWeights } from '../tasks/tinyChatModel';
import { axe } from './axe';
import { launch, OUT, serveLab } from './browser';
import { lookUpModel } from './hubModel';
import { Visit } from './visit';

const REPO = 'tiny/chat';
const TOKEN = 'hf_secret';
/** So many bytes of the weights arrive before the connection falls silent: two chunks, and a part of the third. */
const BEFORE_SILENCE = 9 * 2 ** 20;

const hub = new HubServer();
let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
let folder: string;

/** The tiny model with a buffer that is of no use, so that there is something to download. */
function repoFiles(): Map<string, Uint8Array> {
  const weights = tinyWeights(true);
  weights.tensors.set('model.layers.0.self_attn.rotary_emb.inv_freq', {
    shape: [3 * 2 ** 20],
    data: new Float32Array(3 * 2 ** 20).fill(0.5),
  });
  return new Map(Object.entries({ ...tinyFiles(weights), 'model.safetensors': writeSafetensors(weights.tensors) }));
}

beforeAll(async () => {
  mkdirSync(join(OUT, 'screenshots'), { recursive: true });
  folder = join(mkdtempSync(join(tmpdir(), 'polylogue-')), 'my-model');
  mkdirSync(folder);
  for (const [name, bytes] of Object.entries(tinyFiles(tinyWeights()))) writeFileSync(join(folder, name), bytes);
  [lab, browser] = await Promise.all([serveLab(), launch(), hub.start()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
  await hub.stop();
  rmSync(join(folder, '..'), { recursive: true, force: true });
});
beforeEach(() => {
  hub.reset();
  hub.repos.set(REPO, { commit: COMMIT, files: repoFiles(), token: null });
});

async function visitModels(visit: Visit): Promise<void> {
  await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  await visit.tab('Models').click();
  await visit.page.getByRole('heading', { name: 'Models here' }).waitFor();
}

async function begin(options: Parameters<typeof Visit.begin>[1] = {}): Promise<Visit> {
  const visit = await Visit.begin(browser, options);
  await visit.page.goto(lab.url);
  await visitModels(visit);
  return visit;
}

const lookUp = (visit: Visit, name: string, token = ''): Promise<void> => lookUpModel(visit, hub.endpoint, name, token);

const here = (visit: Visit, name: string) =>
  visit.page.getByRole('region', { name: 'Models here' }).getByRole('listitem').filter({ hasText: name });

/** Drops files or folders of the disk as a hand would: a page cannot make a folder to drop by itself. */
async function drop(target: Locator, files: string[]): Promise<void> {
  await target.scrollIntoViewIfNeeded();
  const box = await target.boundingBox();
  if (!box) throw new Error('there is nowhere to drop');
  const session = await target.page().context().newCDPSession(target.page());
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await session.send('Input.dispatchDragEvent', { type, ...at, data: { items: [], files, dragOperationsMask: 1 } });
  }
  await session.detach();
}

/** The smallest run that asks, answers, revises and is evaluated. */
async function tinyRun(visit: Visit): Promise<void> {
  const { form } = visit;
  await form.locator('[data-setting=agents]').selectOption('2');
  await form.locator('[data-setting=trainProblems]').selectOption('3');
  await form.getByLabel('Held-out problems').selectOption('3');
  await visit.chooseEngine('webgpu');
  await form.getByLabel('Longest response').selectOption('64');
  await visit.start();
  await visit.untilState('finished');
}

describe('a model from the hub', () => {
  it('is looked up, downloaded, interrupted by a reload, finished, used in a run and deleted', async () => {
    const visit = await begin();
    const { page } = visit;
    await lookUp(visit, `${REPO}@main`);
    const offer = page.getByRole('group', { name: `Offer: ${REPO}` });
    const bytes = [...repoFiles().values()].reduce((sum, file) => sum + file.length, 0);
    await offer.getByText(`${bytes.toLocaleString('en')} bytes`).waitFor();
    await expect.poll(() => offer.getByRole('row').filter({ hasText: 'int4' }).innerText()).toMatch(/kB.*about.*[kM]B/);
    expect(await axe(visit, 'offer')).toEqual([]);
    await visit.shot('models-offer');

    hub.fault = ({ place }) => (place === 'cdn' ? { kind: 'stall', after: BEFORE_SILENCE } : null);
    await offer.getByRole('button', { name: 'Download' }).click();
    // Going elsewhere on the page cancels nothing.
    await visit.tab('Lab').click();
    await visit.tab('Models').click();
    await here(visit, REPO)
      .getByText(/9\.4 MB of 12\.6 MB/)
      .waitFor();
    expect(await axe(visit, 'download')).toEqual([]);
    await visit.shot('models-download');
    await page.reload();
    await visitModels(visit);
    // A chunk that had arrived may not have been written yet.
    await expect
      .poll(() => here(visit, REPO).allInnerTexts())
      .toEqual([expect.stringMatching(/interrupted at (4\.2|8\.4) MB of 12\.6 MB/)]);
    await visit.shot('models-interrupted');

    hub.reset();
    await here(visit, REPO).getByRole('button', { name: 'Go on' }).click();
    await here(visit, REPO).getByRole('button', { name: 'Use in the next run' }).waitFor();
    expect(hub.sentBytes).toBeLessThanOrEqual(bytes - 4 * 2 ** 20);
    await here(visit, REPO).getByRole('button', { name: 'Use in the next run' }).click();

    await expect
      .poll(() => visit.form.getByLabel('Model', { exact: true }).inputValue())
      .toBe(`stored:${REPO}@${COMMIT}`);
    await expect.poll(() => visit.form.getByLabel('Weights').inputValue()).toBe('int4');
    const memory = visit.form.getByText('Memory on the device');
    await memory.waitFor();
    await memory.click();
    await visit.form.getByText('keys and values', { exact: true }).waitFor();
    await visit.shot('models-settings');
    await tinyRun(visit);
    await visit.shot('models-run');

    await visit.tab('Models').click();
    await here(visit, REPO)
      .getByRole('button', { name: `Delete ${REPO}` })
      .click();
    await here(visit, REPO).getByRole('button', { name: 'Really delete?' }).click();
    await expect.poll(() => here(visit, REPO).count()).toBe(0);
    await visit.tab('Lab').click();
    await expect.poll(() => visit.form.getByLabel('Model', { exact: true }).inputValue()).toBe('arithmetic-0.4m');
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });

  it('that is gated asks for a token and keeps it in memory; one that is not there is named', async () => {
    hub.repos.set(REPO, { commit: COMMIT, files: repoFiles(), token: TOKEN });
    const visit = await begin({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    const { page } = visit;
    await lookUp(visit, REPO);
    await page.getByText('is gated: accept its licence').waitFor();
    await visit.shot('models-gated-phone-dark');
    await lookUp(visit, 'no/where');
    await page.getByText('There is no model no/where').waitFor();
    await lookUp(visit, REPO, TOKEN);
    await page.getByRole('group', { name: `Offer: ${REPO}` }).waitFor();
    await expect.poll(() => visit.overflow()).toBeLessThanOrEqual(0);
    expect(await axe(visit, 'gated')).toEqual([]);
    await visit.shot('models-offer-phone-dark');
    expect(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))).not.toContain(
      TOKEN,
    );
    await expect.poll(() => page.getByLabel('Access token').getAttribute('autocomplete')).toBe('off');

    // A hub that says nothing: the page says so, and the visitor can leave it at that.
    hub.fault = () => ({ kind: 'silence' });
    await lookUp(visit, REPO, TOKEN);
    await page.getByText('No answer yet').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Asking about').waitFor({ state: 'detached' });
    await visit.end();
  });
});

describe('a model from a folder', () => {
  it('is read where it lies, checked, copied, and asked for again after a reload', async () => {
    const visit = await begin();
    const { page } = visit;
    await page.getByLabel("Files of a model's folder").setInputFiles(folder);
    const row = here(visit, 'my-model (folder)');
    await row.waitFor();
    await row.getByRole('button', { name: 'Check' }).click();
    await row.getByLabel('Text for the perplexity').fill('The quick brown fox jumps over the lazy dog.');
    await row.getByLabel('also with f32').check();
    await row.getByRole('button', { name: 'Load and check' }).click();
    await row.getByText('Perplexity, f32').or(row.locator('.notice.bad')).waitFor({ timeout: 60_000 });
    await expect.poll(() => row.locator('.notice.bad').allInnerTexts()).toEqual([]);
    // Random weights know nothing: every token is about equally unlikely.
    const [int4, f32] = await Promise.all(
      ['int4', 'f32'].map(async (dtype) => {
        const line = row.locator('dl > div').filter({ hasText: `Perplexity, ${dtype}` });
        return Number.parseFloat(await line.locator('dd').innerText());
      }),
    );
    expect(f32).toBeGreaterThan(100);
    expect(int4).not.toBe(f32);
    expect(Math.abs((int4 as number) / (f32 as number) - 1)).toBeLessThan(0.2);
    await row.getByRole('button', { name: /^Show all/ }).click();
    await row.getByText('model.layers.0.mlp.down_proj.weight').first().waitFor();
    expect(await axe(visit, 'check')).toEqual([]);
    await visit.shot('models-check');

    await row.getByRole('button', { name: 'Copy into this browser' }).click();
    await here(visit, 'my-model (copied folder)').getByRole('button', { name: 'Use in the next run' }).waitFor();
    await row.getByRole('button', { name: 'Use in the next run' }).click();
    await expect.poll(() => visit.form.getByLabel('Model', { exact: true }).inputValue()).toBe('folder:my-model');
    await visit.form.getByText('Memory on the device').waitFor();

    await page.reload();
    await visitModels(visit);
    await expect.poll(() => here(visit, 'my-model').count()).toBe(1);
    await here(visit, 'my-model (copied folder)')
      .getByText(/^\d.* kB$/)
      .waitFor();
    await visit.end();
  });

  it('that was picked is opened again after a reload, or forgotten', async () => {
    const visit = await Visit.begin(browser);
    const { page } = visit;
    // The browser's dialogue is out of reach; the directory it hands out is a real one.
    await page.addInitScript(() => {
      const showDirectoryPicker = async () =>
        (await navigator.storage.getDirectory()).getDirectoryHandle('picked', { create: true });
      Object.assign(globalThis, { showDirectoryPicker });
    });
    await page.goto(lab.url);
    await visitModels(visit);
    const files = Object.entries(tinyFiles(tinyWeights())).map(([name, bytes]) => [name, [...bytes]] as const);
    await page.evaluate(async (contents) => {
      const picked = await (await navigator.storage.getDirectory()).getDirectoryHandle('picked', { create: true });
      for (const [name, bytes] of contents) {
        const file = await (await picked.getFileHandle(name, { create: true })).createWritable();
        await file.write(Uint8Array.from(bytes));
        await file.close();
      }
    }, files);
    const row = here(visit, 'picked (folder)');
    await page.getByRole('button', { name: 'Choose a folder' }).click();
    await row.getByText('read where it lies').waitFor();
    expect(await row.count()).toBe(1);

    await page.reload();
    await visitModels(visit);
    await row.getByText('of an earlier visit').waitFor();
    expect(await axe(visit, 'kept folder')).toEqual([]);
    await row.getByRole('button', { name: 'Open again' }).click();
    await row.getByRole('button', { name: 'Use in the next run' }).click();
    await expect.poll(() => visit.form.getByLabel('Model', { exact: true }).inputValue()).toBe('folder:picked');
    await visit.form.getByText('Memory on the device').waitFor();

    await page.reload();
    await visitModels(visit);
    await row.getByRole('button', { name: 'Forget' }).click();
    await expect.poll(() => row.count()).toBe(0);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });

  it('can be dropped, also within another folder or as its files', async () => {
    const visit = await begin();
    const target = visit.page.getByRole('group', { name: 'Folder' });
    await drop(target, [join(folder, '..')]);
    await visit.page.getByText('my-model (folder) can be used').waitFor();
    await here(visit, 'my-model (folder)').getByRole('button', { name: 'Use in the next run' }).click();
    await expect.poll(() => visit.form.getByLabel('Model', { exact: true }).inputValue()).toBe('folder:my-model');
    await visit.form.getByText('Memory on the device').waitFor();

    await visit.tab('Models').click();
    await drop(target, [resolve('tests', 'ui', 'logs.ts')]);
    await visit.page.getByText('no config.json was found').waitFor();
    await drop(
      target,
      Object.keys(tinyFiles(tinyWeights())).map((name) => join(folder, name)),
    );
    await here(visit, 'files (folder)').waitFor();
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });

  it('with files in ONNX is copied, and plays a seat on transformers.js', async () => {
    const visit = await begin();
    const { page } = visit;
    await drop(page.getByRole('group', { name: 'Folder' }), [resolve('static', 'models', 'arithmetic-0.4m')]);
    const part = page.getByRole('region', { name: 'Model from a folder' });
    await part.getByRole('button', { name: 'Copy ONNX, fp32' }).click();
    await here(visit, 'arithmetic-0.4m (copied folder)').getByText('for agents on transformers.js').waitFor();
    expect(await axe(visit, 'ONNX folder')).toEqual([]);
    await visit.shot('models-onnx-folder');

    await visit.tab('Lab').click();
    await visit.fillSettings(3, 'exact', { training: 3, heldOut: 3 });
    await visit.form.getByRole('button', { name: 'Seat another runtime' }).click();
    const offered = visit.form.locator('datalist option').filter({ hasText: 'copied folder' });
    const model = (await offered.getAttribute('value')) as string;
    expect(model).toMatch(/^stored:folder:arithmetic-0\.4m@[0-9a-f]{40}\+onnx\.fp32#wasm\/fp32$/);
    await visit.form.getByLabel('Model in ONNX').fill(model);
    await visit.form.getByLabel('Model in ONNX').press('Tab');
    await visit.shot('seat-from-folder');
    await visit.start();
    await page.getByTitle(`transformers:${model}`).first().waitFor();
    await visit.untilState('finished');
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });

  it('without a model says what is missing', async () => {
    const visit = await begin();
    await visit.page.getByLabel("Files of a model's folder").setInputFiles(join('tests', 'ui'));
    await visit.page.getByText('no config.json was found').waitFor();
    await visit.end();
  });

  it('with settings that are not known is loaded on the visitor’s word alone', async () => {
    const strange = join(folder, '..', 'strange');
    mkdirSync(strange, { recursive: true });
    const files: Record<string, Uint8Array> = tinyFiles(tinyWeights());
    const config = JSON.parse(new TextDecoder().decode(files['config.json'])) as object;
    files['config.json'] = new TextEncoder().encode(JSON.stringify({ ...config, scale_emb: 12, scale_depth: 1.4 }));
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(strange, name), bytes);
    hub.repos.set(REPO, { commit: COMMIT, files: new Map(Object.entries(files)), token: null });
    const visit = await begin();
    const { page } = visit;

    await lookUp(visit, REPO);
    const choice = page.getByRole('button', { name: 'Load it all the same, ignoring scale_emb, scale_depth' });
    await choice.waitFor();
    await visit.shot('model-refused');
    expect(await axe(visit, 'refused model')).toEqual([]);
    await choice.click();
    const offer = page.getByRole('group', { name: `Offer: ${REPO}` });
    await offer.getByText('Ignored settings').waitFor();
    await offer.getByRole('button', { name: /^Download/ }).click();
    await here(visit, REPO).getByRole('button', { name: 'Use in the next run' }).click();
    await visit.form.getByText('Ignored in its config.json').waitFor();
    await visit.form.getByText('Memory on the device').waitFor();
    await visit.shot('model-ignored-keys');

    await visit.tab('Models').click();
    await page.getByLabel("Files of a model's folder").setInputFiles(strange);
    await page
      .getByRole('region', { name: 'Model from a folder' })
      .getByRole('button', { name: /^Load it all/ })
      .click();
    await page.getByText('ignored: scale_depth, scale_emb').waitFor();
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});
