/** A run on WebGPU from hand to hand: bundle, checks in a clean browser, run again there, and the verdict that the ladder gives. */
import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { VERDICT_WORDS } from '../../src/share/verdict';
import { launch, serveLab } from './browser';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

/** Somebody with a clean browser, on the engine that is named. */
async function visitor(): Promise<Visit> {
  const visit = await Visit.begin(browser);
  visit.patience = 240_000;
  await visit.page.goto(lab.url);
  await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  return visit;
}

it('is the same byte for byte on the same device, and on another engine what its draws make of it', async () => {
  const maker = await visitor();
  await maker.fillSettings(5, 'webgpu', { training: 3, heldOut: 3 });
  await maker.start();
  await maker.untilState('finished');
  const digest = await maker.digest();
  await maker.tab('Runs').click();
  const downloading = maker.page.waitForEvent('download');
  await maker.page.getByRole('button', { name: /^Download/ }).click();
  const buffer = readFileSync(await (await downloading).path());
  expect(maker.complaints).toEqual([]);
  await maker.end();

  const visit = await visitor();
  const { page } = visit;
  await visit.chooseEngine('webgpu');
  await visit.tab('Runs').click();
  const file = { name: 'run.zip', mimeType: 'application/zip', buffer };
  await page.getByLabel('Open a run from a file').setInputFiles(file);
  await page.getByTestId('claimed').waitFor();
  const imported = page.url();
  const verdict = page.getByTestId('verdict');
  const press = (name: string) =>
    page.getByRole('group', { name: 'Check this run' }).getByRole('button', { name }).click();
  const check = () => visit.run.getByRole('button', { name: 'Check', exact: true }).click();
  await check();
  await press('Spot check');
  await page.getByText(/(\d+) of \1 units that were drawn came out the same here/).waitFor({ timeout: visit.patience });
  await press('Run again');
  await verdict.getByText(`Verdict: ${VERDICT_WORDS['same-bytes']}`).waitFor({ timeout: visit.patience });
  expect(await visit.digest()).toBe(digest);

  await visit.chooseEngine('exact');
  await page.evaluate((address) => (location.href = address), imported);
  await page.getByTestId('claimed').or(page.getByText('Checked by spot check')).first().waitFor();
  await check();
  await press('Run again');
  // The other run is on show now; the check of the first one has the verdict from before.
  await expect.poll(() => page.url().startsWith(imported)).toBe(false);
  await verdict.waitFor({ timeout: visit.patience });
  const said = await verdict.innerText();
  // Which of these it is, three problems decide; the same bytes it cannot be, since the log names its engine.
  expect(
    ['same-tokens', 'consistent', 'not-reproduced']
      .map((name) => VERDICT_WORDS[name as keyof typeof VERDICT_WORDS])
      .filter((words) => said.includes(words)),
  ).toHaveLength(1);
  if (!said.includes(VERDICT_WORDS['same-tokens'])) expect(said).toMatch(/iteration \d+, problem \d+/);
  expect(visit.complaints).toEqual([]);
  await visit.end();
});
