/** A comparison that the page plays: begun, interrupted by a reload, gone on with, and written as files. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { axe } from './axe';
import { launch, OUT, serveLab } from './browser';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  mkdirSync(join(OUT, 'screenshots'), { recursive: true });
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

it('plays recipes and seeds one after the other, goes on after a reload, and gives table, plots, tests and raw numbers', async () => {
  const visit = await Visit.begin(browser, { reducedMotion: 'reduce' });
  const { page } = visit;
  await page.goto(lab.url);
  await page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  await visit.chooseEngine('exact');
  await visit.tab('Runs').click();
  const section = page.getByRole('region', { name: 'Compare recipes' });
  await section.getByLabel('Preset').selectOption('arithmetic-tiny');
  const seeds = section.getByLabel('Seeds');
  await seeds.fill('1, 1');
  await section.getByText('Seed 1 stands twice.').waitFor();
  expect(await section.getByRole('button', { name: 'Compare', exact: true }).isDisabled()).toBe(true);
  await seeds.fill('1, 2');
  for (const name of ['multiagent-finetuning', 'shared-pair', 'random-split'])
    await section.getByRole('checkbox', { name }).first().uncheck();
  await section.getByRole('checkbox', { name: /Multiagent debate.* debate$/ }).check();
  await section.getByRole('checkbox', { name: / majority$/ }).check();
  await section.getByText('4 runs, about').waitFor();
  await visit.shot('comparison-new');
  expect(await axe(visit, 'a new comparison')).toEqual([]);

  await section.getByRole('button', { name: 'Compare', exact: true }).click();
  await visit.until('a finished run', async () => (await section.getByText('finished', { exact: true }).count()) >= 1);
  const before = await section.getByText('finished', { exact: true }).count();
  await page.reload();
  await page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  // Wherever one is, the page says that it waits.
  await visit.tab('Lab').click();
  const notice = page.getByRole('status').filter({ hasText: 'is not finished' });
  await notice.getByRole('button', { name: 'Go on' }).click();
  await visit.tab('Runs').click();
  expect(await section.getByText('finished', { exact: true }).count()).toBeGreaterThanOrEqual(before);
  await section.getByText('4 of 4 runs are finished.').waitFor({ timeout: visit.patience });
  // Nothing was played twice.
  const stored = page.getByRole('region', { name: 'Stored runs' });
  expect(await stored.getByRole('button', { name: /^Open / }).count()).toBe(4);

  const table = section.getByRole('region', { name: 'Methods, table' });
  expect(await table.getByRole('row', { name: /^Debate base/ }).innerText()).toMatch(/\t2\t/);
  for (const plot of ['Accuracy by generations per problem', 'Accuracy by training tokens'])
    await section.getByText(plot, { exact: true }).first().waitFor();
  await section.getByRole('region', { name: 'Paired differences, table' }).waitFor();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    section.getByRole('button', { name: 'Raw numbers as CSV' }).click(),
  ]);
  const rows = readFileSync(await file.path(), 'utf8')
    .trimEnd()
    .split('\n');
  expect(rows[0]).toMatch(/^recipe,method,label,calls,seed,iteration,right,n/);
  expect(new Set(rows.slice(1).map((row) => row.split(',')[4]))).toEqual(new Set(['1', '2']));
  const [whole] = await Promise.all([
    page.waitForEvent('download'),
    section.getByRole('button', { name: 'Everything as JSON' }).click(),
  ]);
  const { logs, seeds: played } = JSON.parse(readFileSync(await whole.path(), 'utf8')) as {
    logs: { digest: string }[];
    seeds: number[];
  };
  expect([logs.length, played]).toEqual([4, [1, 2]]);
  for (const { digest } of logs) expect(digest).toMatch(/^[0-9a-f]{64}$/);
  await visit.shot('comparison-played');
  expect(await axe(visit, 'a played comparison')).toEqual([]);
  await page.setViewportSize({ width: 360, height: 800 });
  await page.waitForTimeout(400);
  expect(await visit.overflow()).toBeLessThanOrEqual(0);
  await visit.shot('comparison-played-phone');
  expect(visit.complaints).toEqual([]);
  await visit.end();
});
