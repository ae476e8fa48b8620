/** The soaks that need a browser, in short: workers that end or compute for ever, stops meanwhile, and kills of the whole browser. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { soakKills } from '../../tools/soak/kills';
import { soak } from '../../tools/soak/result';
import { createRng, type Rng } from '../../tools/soak/rng';
import { strikeGradings } from '../../tools/soak/workers/gradings';
import { strikeModels } from '../../tools/soak/workers/models';
import { strikeRuns } from '../../tools/soak/workers/runs';
import { launch, serveLab } from './browser';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

/** One worker ends, the next computes for ever, and so on; moments are drawn. */
function inTurn(): Rng {
  const rng = createRng(5, 'in turn');
  let struck = 0;
  return { ...rng, int: (below) => (below === 2 ? struck++ % 2 : rng.int(below)) };
}
const options = { endings: 2, onEnding: () => {}, over: () => false };
const WHOLE = { struck: 2, faults: [], different: 0 };

it('a download goes on when the worker that keeps models ended or computes for ever', async () => {
  const lane = await strikeModels(browser, lab.url, options, inTurn());
  expect(lane).toMatchObject({ ...WHOLE, outcomes: { 'models ended': 1, 'models looping': 1 } });
});

it('a view shows what is right when the worker that compares answers ended or computes for ever', async () => {
  const lane = await strikeGradings(browser, lab.url, options, inTurn());
  expect(lane).toMatchObject({ ...WHOLE, outcomes: { 'grading ended': 1, 'grading looping': 1 } });
});

it('a run ends with the digest of an undisturbed one when its tokenizer ended or computes for ever', async () => {
  const lane = await strikeRuns(browser, lab.url, { ...options, name: 'tokenizer', seed: 8 }, inTurn());
  expect(lane).toMatchObject({ ...WHOLE, outcomes: { 'tokenizer ended': 1, 'tokenizer looping': 1 } });
});

it('runs end with the same digest when the browser is killed three times', async () => {
  const result = await soak('kills', soakKills, { count: 3, seed: 3, say: () => {}, over: () => false });
  expect(result).toMatchObject({ lost: 0, equal: true, faults: [] });
  expect(result.outcomes['kills']).toBe(3);
});
