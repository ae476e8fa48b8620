/**
 * What a first visit takes, by the page's own clock, in a clean Chromium each time.
 *
 *     npm run bench:visit                  writes bench/results/visit/chromium.jsonl
 *     npm run bench:visit -- NAME [TIMES]  writes bench/results/visit/NAME.jsonl
 *
 * Milliseconds: from the first paint to the first movement on the stage (`movement`, target 2,000); from the press of Run to the first
 * text of the run's own debate on the stage (`debate`, target 3,000, on software WebGPU 10,000); and from the press of Run to the last
 * event (`run`, targets 5,000 for the tiny preset and 45,000 for the quick one). The targets are for two idle cores, so each line says the
 * load. Without WebGPU the page takes its exact engine.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { launch, serveLab } from '../tests/e2e/browser';
import { Visit } from '../tests/e2e/visit';
import { firstMovement } from './firstMovement';

const FOLDER = join('bench', 'results', 'visit');
const PATIENCE = 30 * 60 * 1000;

interface Profile {
  engine: 'exact' | 'software WebGPU';
  webgpu: boolean;
  preset: string;
  /** Milliseconds. */
  debate: number;
  /** Milliseconds; null = the run is not waited for. */
  run: number | null;
}

const PROFILES: readonly Profile[] = [
  { engine: 'exact', webgpu: false, preset: 'arithmetic-tiny', debate: 3_000, run: 5_000 },
  { engine: 'exact', webgpu: false, preset: 'arithmetic-quick', debate: 3_000, run: 45_000 },
  { engine: 'software WebGPU', webgpu: true, preset: 'arithmetic-tiny', debate: 10_000, run: null },
];

/** Presses Run and waits for a text in a live debate and, where asked, for the end. A text, so that the compiler adds nothing to it. */
const PRESSED = `async (whole) => {
  const began = performance.now();
  let debate = null;
  const since = () => Math.round(performance.now() - began);
  [...document.querySelectorAll('button')].find(({ innerText }) => innerText.trim() === 'Run').click();
  await new Promise((resolve, reject) => {
    const look = (_changes, observer) => {
      const problem = document.querySelector('[role=alert]');
      if (problem) reject(new Error(problem.textContent));
      const state = document.querySelector('[data-state]')?.getAttribute('data-state');
      if (debate === null && state && document.querySelector('[aria-label="The stage"] .bubble:not(.empty)')) debate = since();
      if (debate === null || (whole && state !== 'finished')) return;
      observer.disconnect();
      resolve();
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  return { debate, run: whole ? since() : null };
}`;

interface Once {
  movement: number;
  debate: number;
  run: number | null;
  engine: string;
  loadBefore: number;
  loadAfter: number;
}

const load = (): number => Number((loadavg()[0] as number).toFixed(1));

async function visited(browser: Browser, url: string, { preset, webgpu, run: wanted }: Profile): Promise<Once> {
  const loadBefore = load();
  const visit = await Visit.begin(browser);
  const { page } = visit;
  page.setDefaultTimeout(PATIENCE);
  try {
    const { milliseconds: movement } = await firstMovement(page, url);
    const named = page.getByTestId('engine').filter({ hasText: 'Runs on' });
    await named.waitFor();
    await visit.form.getByLabel('Preset').selectOption(preset);
    if (webgpu) await visit.chooseEngine('webgpu');
    const { debate, run } = await page.evaluate<Pick<Once, 'debate' | 'run'>>(
      `(${PRESSED})(${String(wanted !== null)})`,
    );
    return { movement, debate, run, engine: await named.innerText(), loadBefore, loadAfter: load() };
  } finally {
    await visit.end();
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

const [name = 'chromium', times = '3'] = process.argv.slice(2);
if (!/^[\w-]+$/.test(name) || !/^[1-9]\d?$/.test(times))
  throw new Error('usage: npm run bench:visit -- [NAME [TIMES]]');
const lab = await serveLab();
const lines: object[] = [];
try {
  for (const profile of PROFILES) {
    const browser = await launch(profile.webgpu);
    try {
      const found: Once[] = [];
      for (let time = 0; time < Number(times); time++) found.push(await visited(browser, lab.url, profile));
      const of = (key: 'movement' | 'debate' | 'run', target: number) => {
        const milliseconds = found.map((one) => one[key]).filter((one) => one !== null);
        return { target, median: median(milliseconds), milliseconds };
      };
      const made = {
        engine: profile.engine,
        preset: profile.preset,
        movement: of('movement', 2_000),
        debate: of('debate', profile.debate),
        ...(profile.run !== null && { run: of('run', profile.run) }),
        page: found[0]?.engine,
        load: found.map(({ loadBefore, loadAfter }) => [loadBefore, loadAfter]),
        browser: browser.version(),
        cores: cpus().length,
        processor: cpus()[0]?.model,
      };
      process.stderr.write(`${JSON.stringify(made)}\n`);
      lines.push(made);
    } finally {
      await browser.close();
    }
  }
} finally {
  await lab.close();
}
mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, `${name}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
