/** The course on a phone, by keyboard alone, with reduced motion and without WebGPU; lessons, the page to print, the article. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGES } from '../../src/ui/course/pages';
import { axe } from './axe';
import { launch, serveLab } from './browser';
import { Visit } from './visit';

const PHONE = { viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' } as const;

let browser: Browser;
let lab: Awaited<ReturnType<typeof serveLab>>;

beforeAll(async () => {
  [browser, lab] = await Promise.all([launch(false), serveLab()]);
});
afterAll(async () => {
  await browser.close();
  await lab.close();
});

it('is taken by keyboard, notices when a task is done, and stands in the address', async () => {
  const visit = await Visit.begin(browser, PHONE);
  const { page } = visit;
  await page.goto(`${lab.url}#/course/-/vote`);
  await page.getByRole('heading', { name: 'What a vote buys' }).waitFor();
  // A recorded run of the experiment is there at once, for whoever computes nothing.
  await page.getByRole('heading', { name: 'A recorded run of this experiment' }).waitFor();
  const answer = page.getByRole('spinbutton', { name: /How many more held-out/ });
  await visit.until('the recorded run', () => answer.isEnabled());
  await visit.press(page.getByRole('button', { name: 'Run the experiment' }));
  await page.getByRole('heading', { name: /^Your run/ }).waitFor();
  await visit.until('the end of the experiment', () => answer.isEnabled());

  // What the table says is what the page takes for right.
  const row = (name: string) => page.getByRole('row', { name: new RegExp(`^${name}`) }).first();
  const count = async (name: string) => Number(/\((\d+) of 100\)/.exec(await row(name).innerText())?.[1]);
  const more = (await count('Majority of 3')) - (await count('Single sample'));
  await visit.tabTo(answer);
  await page.keyboard.type(String(more + 1));
  await page.keyboard.press('Enter');
  await page.getByText('The run shows something else.').waitFor();
  await answer.fill(String(more));
  await page.keyboard.press('Enter');
  await page.getByText('✓ That is it.').waitFor();
  expect(await visit.overflow()).toBe(0);

  await visit.press(page.getByRole('button', { name: /^Next: What reading/ }));
  await page.getByRole('heading', { name: 'What reading the others adds' }).waitFor();
  expect(new URL(page.url()).hash).toContain('/reading');
  // The same run serves this page, and a reload keeps the page and what was done.
  await page.reload();
  await page.getByRole('heading', { name: 'What reading the others adds' }).waitFor();
  await page.getByRole('button', { name: /What a vote buys.*done/ }).waitFor();
  expect(visit.complaints).toEqual([]);
  await visit.end();
});

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  it('has pages on recorded runs at which axe finds nothing, and none is wider than a phone', async () => {
    const visit = await Visit.begin(browser, { ...PHONE, colorScheme });
    const { page } = visit;
    await page.goto(`${lab.url}#/course/-/vote`);
    for (const { id, title } of PAGES) {
      if (id !== PAGES[0]?.id) await visit.press(page.getByRole('button', { name: `Next: ${title}` }));
      await page.getByRole('heading', { name: title, exact: true }).waitFor();
      await page.getByRole('heading', { name: 'A recorded run of this experiment' }).waitFor();
      await page.getByRole('region', { name: 'The stage' }).waitFor();
      // Its question can be answered from the recorded run.
      await page.getByText('The answer is that of the recorded run').waitFor();
      expect(await axe(visit, `page ${id}`)).toEqual([]);
      expect(await visit.overflow()).toBe(0);
    }
    for (const [id, heading] of [
      ['questions', 'What if labels are random?'],
      ['article', 'What replicates here'],
      ['glossary', 'Glossary'],
      ['teachers', 'Agents that learn from their own debates'],
    ] as const) {
      await page.goto(`${lab.url}#/course/-/${id}`);
      await page.getByRole('heading', { name: heading }).waitFor();
      expect(await axe(visit, id)).toEqual([]);
      expect(await visit.overflow()).toBe(0);
    }
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});

it('says what a word means to whoever comes to it', async () => {
  const visit = await Visit.begin(browser);
  const { page } = visit;
  await page.goto(`${lab.url}#/course/-/vote`);
  const term = page.getByRole('button', { name: 'majority', exact: true });
  // Every term once, where the page mentions it first.
  await term.waitFor();
  expect(await page.getByRole('tooltip').count()).toBe(0);
  await visit.tabTo(term);
  await page.getByRole('tooltip').filter({ hasText: 'most agents gave' }).waitFor();
  await page.keyboard.press('Escape');
  expect(await page.locator('.tip').count()).toBe(0);
  await visit.end();
});

describe('a lesson', () => {
  it('is made in a form, seen as a pupil sees it, and left again', async () => {
    const visit = await Visit.begin(browser, { reducedMotion: 'reduce' });
    const { page } = visit;
    await page.goto(`${lab.url}#/course/-/teachers`);
    await page.getByLabel('It begins at').selectOption('reading');
    await page.getByLabel('one for each pupil').check();
    await page.getByLabel('Seed of the first pupil').fill('100');
    await page.getByLabel('Pupils', { exact: true }).fill('3');
    await page.getByLabel('the part Lab').check();
    const link = await page.getByLabel('The lesson’s link').inputValue();
    expect(new URL(link).hash).toBe('#/course/-/reading?lesson=1&seed=100&pupils=3&hide=lab,models,expert');

    await page.getByRole('link', { name: 'See it as a pupil does' }).click();
    await page.getByText('This is what a pupil sees.').waitFor();
    await page.getByRole('button', { name: 'Back to the form' }).click();
    expect(await page.getByLabel('Seed of the first pupil').inputValue()).toBe('100');
    await visit.end();

    const pupil = await Visit.begin(browser, PHONE);
    await pupil.page.goto(link);
    // Nothing starts before the number is known.
    await pupil.page.getByText('Which number do you have in the class (1 to 3)?').waitFor();
    expect(await pupil.page.getByRole('button', { name: 'Run the experiment' }).isVisible()).toBe(false);
    expect(await axe(pupil, 'the number of a pupil')).toEqual([]);
    await pupil.tabTo(pupil.page.getByRole('spinbutton', { name: /Which number/ }));
    await pupil.page.keyboard.type('2');
    await pupil.page.keyboard.press('Enter');
    await pupil.page
      .getByRole('region', { name: 'The lesson' })
      .getByText('Every run here has the seed 101.')
      .waitFor();
    await pupil.page.getByRole('heading', { name: 'What reading the others adds' }).waitFor();
    expect(await pupil.tab('Lab').count()).toBe(0);
    expect(await pupil.tab('Models').count()).toBe(0);
    expect(await pupil.tab('Runs').count()).toBe(1);
    expect(await pupil.page.getByRole('button', { name: 'For teachers' }).count()).toBe(0);
    expect(new URL(pupil.page.url()).hash).toBe(
      '#/course/-/reading?lesson=1&seed=100&pupils=3&pupil=2&hide=lab,models,expert',
    );
    await pupil.press(pupil.page.getByRole('button', { name: 'Run the experiment' }));
    const heading = pupil.page.getByRole('heading', { name: /^Your run/ });
    await pupil.until('the run', async () => (await heading.count()) > 0);
    await pupil.tab('Runs').click();
    await pupil.page
      .getByText(/seed 101/)
      .first()
      .waitFor();
    await pupil.page.getByRole('button', { name: 'Leave the lesson' }).click();
    await pupil.tab('Lab').waitFor();
    expect(pupil.page.url()).not.toContain('lesson');
    await pupil.end();
  });

  it('is refused in words where the address is not one', async () => {
    const visit = await Visit.begin(browser, PHONE);
    await visit.page.goto(`${lab.url}#/course/-/vote?lesson=1&seed=7&colour=red`);
    await visit.page.getByText('it says "colour", which no lesson has').waitFor();
    await visit.end();
  });

  it('prints on one side, with the answers of the recorded runs', async () => {
    const visit = await Visit.begin(browser, { reducedMotion: 'reduce', colorScheme: 'dark' });
    const { page } = visit;
    await page.goto(`${lab.url}#/course/-/teachers`);
    await page
      .getByText(/of this class, on the exact engine: task 1: \d+; task 2: \d+; task 3: \d+; task 4: (yes|no)/)
      .waitFor();
    const pdf = (await page.pdf({ preferCSSPageSize: true })).toString('latin1');
    expect(pdf.match(/\/Type \/Page\b(?!s)/g)).toHaveLength(1);
    await page.emulateMedia({ media: 'print' });
    expect(await page.getByRole('heading', { name: 'Polylogue' }).isVisible()).toBe(false);
    expect(await page.getByLabel('It begins at').isVisible()).toBe(false);
    await visit.end();
  });
});

it('has an article under the fold that is loaded when one comes near it', async () => {
  const visit = await Visit.begin(browser, PHONE);
  const { page } = visit;
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(lab.url);
  await page.getByRole('heading', { name: 'What you can do next' }).waitFor();
  expect(asked.filter((url) => url.includes('/Article-'))).toEqual([]);
  await page.getByRole('heading', { name: 'The method and its critics' }).scrollIntoViewIfNeeded();
  await page.getByRole('heading', { name: 'What replicates here' }).waitFor();
  await page.getByRole('link', { name: /Subramaniam et al. 2025/ }).waitFor();
  await visit.end();
});
