/**
 * Workers that end or compute for ever at random moments, in a real Chromium: engine, lab, tokenizer, grading and models, each as often.
 * What they were at goes on, and comes to what it comes to undisturbed. Each kind has pages of its own, beside each other, since most of the
 * time goes into waiting until silence is noticed.
 */
import { launch, serveLab } from '../../../tests/e2e/browser';
import type { SoakOptions, SoakOutcome } from '../result';
import { createRng } from '../rng';
import { strikeGradings } from './gradings';
import { strikeModels } from './models';
import { strikeRuns } from './runs';
import { STOP_MS, strikeStops } from './stops';
import type { Lane } from './strike';

/** Kinds whose silence is noticed late are struck in two pages. */
const halves = (count: number): number[] => [Math.ceil(count / 2), Math.floor(count / 2)].filter((half) => half > 0);

/** @param count endings of each worker; half as many stops are measured */
export async function soakWorkers({ count, seed, say, over }: SoakOptions): Promise<SoakOutcome> {
  const lab = await serveLab();
  const browser = await launch();
  let done = 0;
  const onEnding = (): void => {
    if (++done % 25 === 0) say(`workers: ${done} of ${5 * count}`);
  };
  const rng = (lane: string) => createRng(seed, `workers ${lane}`);
  const runs = (name: 'engine' | 'lab' | 'tokenizer', endings: number, part = 1) =>
    strikeRuns(browser, lab.url, { name, endings, seed: seed + part, onEnding, over }, rng(`${name} ${part}`));
  const told = async (lane: Promise<Lane>): Promise<Lane> => {
    const result = await lane;
    result.faults.forEach((fault) => say(`workers: ${fault}`));
    return result;
  };
  try {
    const lanes = await Promise.all(
      [
        runs('engine', count),
        ...halves(count).map((half, part) => runs('lab', half, part + 1)),
        runs('tokenizer', count),
        strikeGradings(browser, lab.url, { endings: count, onEnding, over }, rng('grading')),
        ...halves(count).map((half, part) =>
          strikeModels(browser, lab.url, { endings: half, onEnding, over }, rng(`models ${part + 1}`)),
        ),
        strikeStops(browser, lab.url, { stops: Math.ceil(count / 2), seed, over }, rng('stops')),
      ].map(told),
    );
    return together(lanes);
  } finally {
    await browser.close();
    await lab.close();
  }
}

function together(lanes: readonly Lane[]): SoakOutcome {
  const outcomes: Record<string, number> = {};
  for (const lane of lanes)
    for (const [name, times] of Object.entries(lane.outcomes)) outcomes[name] = (outcomes[name] ?? 0) + times;
  const stops = lanes.flatMap((lane) => lane.stops).sort((a, b) => a - b);
  outcomes['ms of the middle stop'] = stops[stops.length >> 1] ?? 0;
  outcomes['ms of the longest stop'] = stops.at(-1) ?? 0;
  outcomes[`stops above ${STOP_MS} ms`] = stops.filter((ms) => ms > STOP_MS).length;
  const faults = lanes.flatMap((lane) => lane.faults);
  const different = lanes.reduce((sum, lane) => sum + lane.different, 0);
  return {
    outcomes,
    attempts: lanes.reduce((sum, lane) => sum + lane.struck, 0),
    lost: faults.length,
    equal: different === 0,
    memory: null,
    longestMs: Math.round(Math.max(...lanes.map((lane) => lane.longestMs))),
    faults,
  };
}
