/** From hand to hand: a run is shared, opened in a clean browser, checked, run again; and what was tampered with is named. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import type { Browser } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { axe } from './axe';
import { launch, serveLab } from './browser';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
/** Of a run that a visitor made, and what they hand out. */
let digest: string;
let address: string;
let zip: Uint8Array;
/** The receiver, in a clean browser. */
let visit: Visit;

const ready = (one: Visit) => one.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch(false)]);
  const maker = await Visit.begin(browser);
  const { page } = maker;
  await page.goto(lab.url);
  await ready(maker);
  await maker.fillSettings(5, 'exact', { training: 3, heldOut: 3 });
  await maker.start();
  await maker.untilState('finished');
  digest = await maker.digest();
  await maker.run.getByRole('button', { name: 'Share' }).click();
  address = await page.getByRole('group', { name: 'Share this run' }).getByRole('textbox').first().inputValue();
  await maker.tab('Runs').click();
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: /^Download/ }).click();
  zip = new Uint8Array(readFileSync(await (await downloading).path()));
  expect(maker.complaints).toEqual([]);
  await maker.end();
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});
beforeEach(async () => {
  visit = await Visit.begin(browser);
});
afterEach(async () => {
  await visit.end();
});

type Files = Record<string, Uint8Array>;

function changed(change: (files: Files) => void): Uint8Array {
  const files = unzipSync(zip);
  change(files);
  return zipSync(files, { level: 0 });
}

function edit(files: Files, name: string, from: RegExp, to: string): void {
  const text = strFromU8(files[name]!);
  expect(text).toMatch(from);
  files[name] = strToU8(text.replace(from, to));
}

async function open(bytes: Uint8Array): Promise<void> {
  const file = { name: 'run.zip', mimeType: 'application/zip', buffer: Buffer.from(bytes) };
  await visit.page.goto(`${lab.url}#/runs`);
  await ready(visit);
  await visit.page.getByLabel('Open a run from a file').setInputFiles(file);
}

const group = () => visit.page.getByRole('group', { name: 'Check this run' });
const check = (button: string) => group().getByRole('button', { name: button }).click();
const verdict = () => visit.page.getByTestId('verdict');
const alert = () => visit.page.getByRole('alert');

describe('a run that was shared', () => {
  it('by its link: card, run, the same byte for byte, and the card says so', async () => {
    const { page } = visit;
    await page.goto(address);
    await ready(visit);
    const card = page.getByRole('region', { name: 'An experiment by link' });
    await card.getByText('Claimed, not checked').waitFor();
    await card.getByRole('button', { name: 'Run it here' }).click();
    await visit.untilState('finished');
    await verdict().getByText('Verdict: the same run, byte for byte').waitFor();
    expect(await visit.digest()).toBe(digest);
    await page.goto('about:blank');
    await page.goto(address);
    await card.getByText('Verdict: the same run, byte for byte').waitFor();
    expect(await card.getByText('Claimed, not checked').count()).toBe(0);
    expect(visit.complaints).toEqual([]);
  });

  it('as its bundle: claimed, replay, spot check, run again, the same byte for byte', async () => {
    const { page } = visit;
    await open(zip);
    await page.getByTestId('claimed').getByText('claimed, not checked').waitFor();
    await visit.run.getByRole('button', { name: 'Check', exact: true }).click();
    await check('Check by replay');
    const report = page.getByTestId('check');
    await report.getByText('Verdict: its claims hold. Its votes').waitFor();
    await report.getByText('holds: the adapters: 7 of 7 are at hand').waitFor();
    await check('Spot check');
    await report.getByText('11 of 11 units that were drawn came out the same here').waitFor();
    await page.getByText('Checked by spot check: its claims hold').waitFor();
    expect(await axe(visit, 'a run that is checked')).toEqual([]);
    for (const width of [1360, 360]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await visit.overflow()).toBeLessThanOrEqual(0);
      await visit.shot(`check-${width}`);
    }
    await check('Run again');
    await verdict().getByText('Verdict: the same run, byte for byte').waitFor({ timeout: visit.patience });
    expect(await visit.digest()).toBe(digest);
    expect(visit.complaints).toEqual([]);
  });
});

describe('what was tampered with is named', () => {
  it('a receipt', async () => {
    await open(changed((files) => edit(files, 'receipt.json', /"n": 3/, '"n": 300')));
    await alert().getByText('the receipt: it claims something else than the log').waitFor();
    await visit.page.getByText('No runs yet').first().waitFor();
  });

  it('a byte of an adapter', async () => {
    const bytes = changed((files) => {
      const name = Object.keys(files).find((entry) => entry.endsWith('adapter_model.safetensors'))!;
      files[name]![files[name]!.length - 3]! ^= 1;
    });
    await open(bytes);
    await alert()
      .getByText(/holds another adapter \S+ of iteration 1 than its log names/)
      .waitFor();
  });

  it('the model that it was made with', async () => {
    const other = 'b'.repeat(64);
    const bytes = changed((files) => {
      edit(files, 'log.jsonl', /"hash":"\w{64}","name":"arithmetic/, `"hash":"${other}","name":"arithmetic`);
      for (const name of ['run.json', 'receipt.json', 'results.json']) delete files[name];
    });
    await open(bytes);
    await visit.run.getByRole('button', { name: 'Check', exact: true }).click();
    await check('Spot check');
    await group().getByRole('alert').getByText(`the run was made with ${other}`).waitFor();
    await check('Run again');
    await visit.page.getByText(`the run was made with ${other}`).first().waitFor();
    await expect.poll(() => visit.state()).toBe('failed');
  });
});

describe('from a web address', () => {
  const asked: string[] = [];
  let host: Server;
  let at: string;
  beforeAll(async () => {
    host = createServer((request, response) => {
      asked.push(request.url!);
      const headers = request.url === '/closed.zip' ? {} : { 'access-control-allow-origin': '*' };
      response.writeHead(200, { ...headers, 'content-length': zip.length }).end(zip);
    });
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    at = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
  });
  afterAll(() => host?.close());

  it('a run opens by its sha-256 alone, and nothing is contacted before that is asked for', async () => {
    const { page } = visit;
    await page.goto(`${lab.url}#/runs`);
    await ready(visit);
    await page.getByText('Open a run from a web address').click();
    const get = async (address: string, hash: string): Promise<void> => {
      await page.getByLabel('Address of its zip').fill(address);
      await page.getByLabel('sha-256 of the zip').fill(hash);
      expect(asked.filter((one) => address.endsWith(one))).toEqual([]);
      await page.getByRole('button', { name: 'Get it' }).click();
    };
    const hash = createHash('sha256').update(zip).digest('hex');
    await get(`${at}/other.zip`, 'a'.repeat(64));
    await alert().getByText('is another file than was meant').waitFor();
    await get(`${at}/closed.zip`, hash);
    await alert().getByText('does not allow other sites to read the file (CORS)').waitFor();
    await get('http://elsewhere.example/run.zip', hash);
    await alert().getByText('is no https address').waitFor();
    await visit.shot('open-address');
    await get(`${at}/run.zip`, hash);
    await page.getByTestId('claimed').waitFor();
    expect(await visit.digest()).toBe(digest);
  });
});
