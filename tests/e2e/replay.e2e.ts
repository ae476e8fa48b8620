/** Replays and recorded runs in the built lab, in a real Chromium: the first visit, the keys, the address, the views. */
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axe } from './axe';
import { launch, serveLab } from './browser';
import { recordedRun, store } from './recorded';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  lab = await serveLab();
  browser = await launch(false);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

const sentence = ({ page }: Visit) => page.getByTestId('replay-sentence');
const place = ({ page }: Visit) => page.getByLabel('Place in the run');
const valueOf = async (visit: Visit) => Number(await place(visit).inputValue());

/** The sentence is another one than before. */
async function moves(visit: Visit): Promise<void> {
  await sentence(visit).waitFor();
  const before = await sentence(visit).innerText();
  await visit.until('another sentence', async () => (await sentence(visit).innerText()) !== before);
}

describe('a first visit', () => {
  it.each([
    ['wide', { viewport: { width: 1360, height: 900 } }],
    ['phone', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
  ] as const)('plays a recorded run at once, without WebGPU (%s)', async (name, options) => {
    const visit = await Visit.begin(browser, options);
    const elsewhere: string[] = [];
    visit.page.on('request', (request) => {
      if (!request.url().startsWith(new URL(lab.url).origin)) elsewhere.push(request.url());
    });
    await visit.page.goto(lab.url);
    await moves(visit);
    // It moves where somebody looks who has not scrolled.
    const box = await sentence(visit).boundingBox();
    expect(box!.y + 20).toBeLessThan(options.viewport.height);
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
    await visit.page.getByRole('button', { name: 'Pause' }).click();
    expect(await axe(visit, name)).toEqual([]);
    await visit.shot(`first-${name}`);
    expect(elsewhere).toEqual([]);
    expect(new URL(visit.page.url()).hash).toBe('');
    await visit.tab('Runs').click();
    await visit.page.getByText('No runs yet').waitFor();
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });

  it('shows how it ended to whoever wants no motion, and plays when asked', async () => {
    const visit = await Visit.begin(browser, { reducedMotion: 'reduce' });
    await visit.page.goto(lab.url);
    await sentence(visit).waitFor();
    await visit.page.waitForTimeout(1_500);
    expect(await valueOf(visit)).toBe(Number(await place(visit).getAttribute('max')));
    await visit.press(visit.page.getByRole('button', { name: 'Play' }));
    await moves(visit);
    await visit.end();
  });

  it('starts the same run here with one button', async () => {
    const visit = await Visit.begin(browser);
    await visit.page.goto(lab.url);
    await visit.page.getByRole('button', { name: 'Run it here' }).click();
    // Of a fast computer it may be over when it is looked at.
    await visit.until('a run', async () => ['running', 'finished'].includes((await visit.state()) ?? ''));
    expect(await visit.form.getByLabel('Preset').inputValue()).toBe('arithmetic-tiny');
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });

  it('opens a link that is pasted, and refuses what is none', async () => {
    const visit = await Visit.begin(browser);
    const { page } = visit;
    await page.goto(lab.url);
    const field = page.getByLabel('Somebody’s experiment, by its link');
    await field.fill('https://example.org/#nonsense');
    await page.getByRole('button', { name: 'Open the link' }).click();
    await page.getByText('This is no link of the lab').waitFor();
    await field.fill('https://example.org/lab/#/runs');
    await page.getByRole('button', { name: 'Open the link' }).click();
    await page.getByRole('heading', { name: 'Recorded runs' }).waitFor();
    await visit.end();
  });
});

describe('a recorded run', () => {
  it('is chosen from the list, stands in the address, is read in every view and is stored only when kept', async () => {
    const visit = await Visit.begin(browser);
    const { page } = visit;
    const part = page.getByRole('tabpanel');
    await page.goto(`${lab.url}#/runs`);
    await page.getByRole('button', { name: 'Play MALT, tiny' }).click();
    await moves(visit);
    expect(new URL(page.url()).hash).toMatch(/^#\/lab\/recorded-malt-arithmetic-tiny/);
    await page.getByRole('button', { name: 'Pause' }).click();
    expect(await axe(visit, 'recorded run')).toEqual([]);
    for (const [tab, text] of [
      ['Results', 'held-out problems'],
      ['Debates', 'of 96 debates'],
      ['Data sets', 'examples'],
    ] as const) {
      await visit.tab(tab).click();
      await part.getByText(text).first().waitFor();
    }
    await page.reload();
    await part.getByText('examples').first().waitFor();
    await visit.tab('Runs').click();
    await page.getByText('No runs yet').waitFor();
    await visit.tab('Lab').click();
    await page.getByRole('button', { name: 'Keep a copy' }).click();
    await page.getByTestId('digest').waitFor();
    await visit.tab('Runs').click();
    expect(await page.getByText('No runs yet').count()).toBe(0);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });

  it('is named as missing where the site has none of this name', async () => {
    const visit = await Visit.begin(browser);
    await visit.page.goto(`${lab.url}#/lab/recorded-nothing`);
    await visit.page.getByText('This site has no such recorded run').waitFor();
    await visit.end();
  });
});

describe('the replay of a stored run', () => {
  it('steps, scrubs and plays by keyboard, and its place stands in the address', async () => {
    const visit = await Visit.begin(browser, { viewport: { width: 360, height: 740 } });
    const { page } = visit;
    await page.goto(lab.url);
    await sentence(visit).waitFor();
    const run = await recordedRun('calm parley', { trainProblems: 12, evaluationProblems: 12 });
    await store(page, [run]);
    await page.goto(`${lab.url}#/lab/calm-parley`);
    await page.getByRole('button', { name: 'Replay' }).waitFor();
    expect(await valueOf(visit)).toBe(run.events.length - 1);

    await visit.tabTo(place(visit));
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    expect(await valueOf(visit)).toBe(2);
    expect(await sentence(visit).innerText()).toMatch(/^The vote: /);
    expect(await place(visit).getAttribute('aria-valuetext')).toBe(
      `before finetuning, test, event 3 of ${run.events.length}`,
    );

    await visit.press(page.getByRole('button', { name: 'Step by agent' }));
    expect(await sentence(visit).innerText()).toMatch(/^Agent A answers /);
    await page.keyboard.press('.');
    expect(await sentence(visit).innerText()).toMatch(/^Agent B answers /);
    await page.keyboard.press(',');
    expect(await sentence(visit).innerText()).toMatch(/^Agent A answers /);
    await visit.press(page.getByRole('button', { name: 'Step by round' }));
    expect(await sentence(visit).innerText()).toMatch(/^3 agents answer/);
    await visit.until('a place in the address', async () => page.url().endsWith('/replay/3.2'));
    const said = await sentence(visit).innerText();
    await page.reload();
    await visit.until(
      'the same place',
      async () =>
        (await sentence(visit)
          .innerText()
          .catch(() => '')) === said,
    );

    await visit.press(page.getByRole('button', { name: 'Step by iteration' }));
    await visit.press(page.getByRole('button', { name: 'Step by iteration' }));
    expect(await valueOf(visit)).toBe(run.events.length - 1);
    await page.getByLabel('Speed').selectOption('full');
    await visit.press(page.getByRole('button', { name: 'Replay' }), 'Space');
    await visit.until('the beginning', async () => (await valueOf(visit)) < run.events.length / 2);
    await visit.until('the end', async () => (await valueOf(visit)) === run.events.length - 1);
    expect(await axe(visit, 'replay')).toEqual([]);
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});
