/** A larger model as student and as teacher, in the page: chosen in the form, played, with the digest of the command line. */
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveConfig } from '../../src/recipes/resolve';
import { encodeLink, linkOf } from '../../src/share/link';
import { exactDigest } from '../cli/exactDigest';
import { launch, serveLab } from './browser';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch(false)]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

it.each([
  ['ensem-w2s', 'studentModel'],
  ['preference-loop', 'teacherModel'],
])('%s with a larger model ends in the digest of the command line', { timeout: 180_000 }, async (recipe, key) => {
  const visit = await Visit.begin(browser);
  const { page, form } = visit;
  const config = resolveConfig('strategies-tiny', { seed: 3 }, recipe);
  await page.goto(`${lab.url}${encodeLink(linkOf(config))}`);
  await page.getByRole('button', { name: 'Take these settings' }).click();
  await visit.chooseEngine('exact');
  const field = form.locator(`[data-setting=${key}]`);
  expect(await field.inputValue()).toBe('strategies-0.6m');
  expect((await field.getByRole('option').allInnerTexts()).slice(1)).toEqual(['Strategies 0.6M']);
  await visit.start();
  await visit.untilState('finished');
  expect(await visit.digest()).toBe(
    await exactDigest('strategies-tiny', 2, 'exact', ['--recipe', recipe, '--seed', '3']),
  );
  await visit.tab('Results').click();
  await page.getByRole('heading', { name: 'Accuracy by iteration' }).first().waitFor();
  for (const width of [1360, 360]) {
    await page.setViewportSize({ width, height: 900 });
    await visit.shot(`second-model-${recipe}-${width}`);
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
  }
  expect(visit.complaints).toEqual([]);
  await visit.end();
});
