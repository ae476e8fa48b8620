/** A run whose answers are made to hold up whoever reads them as formulas: the page opens it, and stays responsive. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { LogDigest } from '../../src/log/digest';
import { launch, serveLab } from './browser';
import { recordedRun, store, type Recorded } from './recorded';
import { Visit } from './visit';

const LONGEST_TASK = 100;

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

const PIECES = [
  '|',
  '|x',
  '\\lvert ',
  '\\|',
  '\\{x',
  '2^',
  '(',
  '1000!^',
  '\\frac{1}{',
  '\\sqrt{2}+',
  'x^{99999}+',
  '\\pm 1',
];

/** Another text for each number, as long as an answer may be. */
function hostile(answer: string): string {
  const piece = PIECES[Math.abs(Number(answer)) % PIECES.length] as string;
  return `${piece.repeat(Math.floor(900 / piece.length))}${answer}`;
}

/** The run as one of own questions, whose right answers are written in another way than the responses write them. */
function withHostileAnswers({ record, events: given }: Recorded): Recorded {
  const answer = (text: string | null) => text && (Number(text) % 3 === 0 ? `x+${text}` : hostile(text));
  const events = given.map((event): RunEvent => {
    if (event.type === 'run-started') return { ...event, config: { ...event.config, task: 'jsonl' } };
    if (event.type === 'problems') {
      const gold = (text: string) => (Number(text) % 3 === 0 ? `${text}+x` : hostile(text));
      return { ...event, problems: event.problems.map((problem) => ({ ...problem, gold: gold(problem.gold) })) };
    }
    if (event.type !== 'debate') return event;
    return {
      ...event,
      responses: event.responses.map((round) => round.map((one) => ({ ...one, answer: answer(one.answer) }))),
      votes: event.votes.map((vote) => ({ ...vote, answer: answer(vote.answer) })),
    };
  });
  const digest = new LogDigest();
  for (const event of events) digest.add(event);
  return { record: { ...record, digest: digest.hex, config: { ...record.config, task: 'jsonl' } }, events };
}

/** Per cent of the society's first answers to held-out problems that are right after one iteration. */
function firstRight(events: readonly RunEvent[]): number {
  const gold = new Map(
    events.flatMap((event) =>
      event.type === 'problems' ? event.problems.map(({ id, gold }) => [id, gold] as const) : [],
    ),
  );
  const right = events.flatMap((event) =>
    event.type === 'debate' && event.purpose === 'evaluation' && event.team === 'society' && event.iteration === 1
      ? (event.responses[0] ?? []).map(({ answer }) => answer === gold.get(event.problem))
      : [],
  );
  return Math.round((100 * right.filter(Boolean).length) / right.length);
}

describe('a run with hostile answers', () => {
  it('opens without a long task on the page, and shows what was right once that is known', async () => {
    const run = await recordedRun('hostile parley', {
      iterations: 2,
      trainProblems: 60,
      evaluationProblems: 100,
      seed: 3,
    });
    const visit = await Visit.begin(browser);
    const { page } = visit;
    await page.goto(lab.url);
    await page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
    await store(page, [withHostileAnswers(run)]);
    await visit.tab('Debates').click();
    await page.getByLabel('Run on show').waitFor();
    const watched = await visit.watchTasks();
    const started = page.waitForEvent('worker', (worker) => worker.url().includes('grading'));
    await page.getByLabel('Run on show').selectOption({ label: 'hostile parley' });
    await page.getByText(/\d+ of \d+ debates/).waitFor();
    await started;
    for (const part of ['Results', 'Votes', 'Data sets', 'Lab', 'Debates']) {
      await visit.tab(part).click();
      await page.waitForTimeout(1500);
    }
    const held = await watched();
    expect(held.busy, JSON.stringify(held)).toBeLessThan(LONGEST_TASK);
    // That x+3 is 3+x is known only from the worker: as many are right as there were numbers right.
    await visit.tab('Votes').click();
    await page
      .getByText(`round 1: ${firstRight(run.events)} %`)
      .first()
      .waitFor();
    expect(visit.complaints).toEqual([]);
    await visit.shot('hostile-answers');
    await visit.end();
  });
});
