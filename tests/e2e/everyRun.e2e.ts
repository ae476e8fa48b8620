/** Every recorded run in every view of the built lab: what is written there is said whole, and it fits a phone. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRecordedIndex, recordedLines, recordedRecord, type RecordedEntry } from '../../src/share/recorded';
import { RECORDED_FOLDER, RECORDED_INDEX, recordedFile, recordedId } from '../../src/share/recordedNames';
import { readEvents } from '../../src/log/read';
import { PAGES } from '../../src/ui/course/pages';
import { TABS } from '../../src/ui/tabs';
import { launch, serveLab } from './browser';
import { store, type Recorded } from './recorded';
import { Visit } from './visit';

const FOLDER = join('static', RECORDED_FOLDER);
const { runs: ENTRIES } = readRecordedIndex(readFileSync(join(FOLDER, RECORDED_INDEX), 'utf8'));
const WIDTHS = [1360, 360] as const;
const EXTRA_PAGES = ['questions', 'article', 'glossary', 'teachers'];
/** Places of a replay, as shares of its length. */
const PLACES = [0, 0.3, 0.6] as const;

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
let visit: Visit;

/** As the lab stores a finished run of its own. */
function stored(entry: RecordedEntry, age: number): Recorded {
  const lines = recordedLines(entry, new Uint8Array(readFileSync(join(FOLDER, recordedFile(entry)))));
  const record = recordedRecord(entry, lines);
  const created = Date.now() - 60_000 * age;
  return { record: { ...record, id: entry.name, created, updated: created }, events: readEvents(lines) };
}

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch(false)]);
  // Nothing moves by itself, and a replay stands where it is put.
  visit = await Visit.begin(browser, { reducedMotion: 'reduce' });
  await visit.page.goto(lab.url);
  await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  await store(visit.page, ENTRIES.map(stored));
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

/**
 * Waits until nothing is being loaded and the page rests, then looks for what no page should say and for what does not fit. All that is
 * folded away is opened. Returns what is wrong, a line each.
 */
function faults(): Promise<string[]> {
  return visit.page.evaluate(async () => {
    const frame = () => new Promise(requestAnimationFrame);
    const busy = () =>
      [...document.querySelectorAll('[role=status]')].find(
        (element) => element.checkVisibility() && /…\s*$/.test(element.textContent),
      );
    const part = () => document.getElementById('part');
    const patience = performance.now() + 20_000;
    let before: string | undefined;
    for (let rest = 0; rest < 3 && performance.now() < patience; await frame()) {
      for (const folded of part()?.querySelectorAll('details:not([open])') ?? []) folded.setAttribute('open', '');
      const now = part()?.innerText;
      rest = !busy() && now && now === before ? rest + 1 : 0;
      before = now;
    }
    const found: string[] = [];
    const waiting = busy()?.textContent;
    if (waiting !== undefined) found.push(`still says "${waiting.trim()}"`);
    for (const alert of document.querySelectorAll('[role=alert]')) found.push(`alert: ${alert.textContent.trim()}`);
    const labels = [...document.querySelectorAll('#part [aria-label], #part [title], #part [aria-valuetext]')].flatMap(
      (element) => ['aria-label', 'title', 'aria-valuetext'].map((name) => element.getAttribute(name) ?? ''),
    );
    const text = [document.body.innerText, ...labels].join('\n');
    const bad = /^.*(?:\bNaN\b|\bundefined\b|\bnull\b|\[object |\bInfinity\b|∞|\$\{|\{\}).*$/gm;
    for (const [line] of text.matchAll(bad)) found.push(`says "${line.slice(0, 160)}"`);
    const wide = document.documentElement.scrollWidth - innerWidth;
    if (wide > 0) found.push(`is ${wide} px too wide`);
    return found;
  });
}

/** Goes to an address of the page without loading it again. */
async function goTo(hash: string): Promise<void> {
  await visit.page.evaluate((wanted) => (location.hash = wanted), hash);
  await visit.page.waitForFunction(
    (tab) => document.querySelector(`#tab-${tab}[aria-selected=true]`),
    hash.split('/')[1],
  );
}

async function lookAt(hash: string, found: string[], ready: string): Promise<void> {
  for (const width of WIDTHS) {
    await visit.page.setViewportSize({ width, height: 860 });
    if (width === WIDTHS[0]) {
      await goTo(hash);
      await visit.page.locator(ready).first().waitFor();
    }
    found.push(...(await faults()).map((fault) => `${hash} at ${width} px ${fault}`));
  }
}

const LOG_PARTS = ['results', 'debates', 'votes', 'datasets'] as const;

describe('every recorded run', () => {
  it.each(ENTRIES.map((entry) => [entry.name, entry] as const))('%s is whole in every view', async (name, entry) => {
    const found: string[] = [];
    await lookAt(`#/lab/${name}`, found, `#part h2:text-is("${entry.title}")`);
    for (const share of PLACES) {
      await visit.page.getByLabel('Place in the run').fill(String(Math.floor(share * (entry.events - 1))));
      found.push(...(await faults()).map((fault) => `the replay at ${share} ${fault}`));
    }
    for (const part of LOG_PARTS) await lookAt(`#/${part}/${name}`, found, '#part .view');
    expect(await visit.page.getByLabel('Run on show').inputValue()).toBe(name);
    await lookAt(`#/lab/${recordedId(entry)}`, found, '#part [aria-label="The run"] .state:text-is("Recorded run")');
    expect(found).toEqual([]);
    expect(visit.complaints).toEqual([]);
  });
});

describe('what needs no single run', () => {
  it('is whole in every part', async () => {
    const found: string[] = [];
    for (const { key } of TABS) await lookAt(`#/${key}`, found, '#part h2');
    for (const id of [...PAGES.map((page) => page.id), ...EXTRA_PAGES])
      await lookAt(`#/course/-/${id}`, found, '#part h2');
    expect(found).toEqual([]);
    expect(visit.complaints).toEqual([]);
  });

  it('is whole where all runs are compared', async () => {
    const found: string[] = [];
    await goTo('#/runs');
    for (const entry of ENTRIES) await visit.page.getByLabel(`Compare ${entry.title}`, { exact: true }).check();
    await lookAt('#/runs', found, '[aria-label="Outcome"]');
    expect(found).toEqual([]);
    expect(visit.complaints).toEqual([]);
  });
});
