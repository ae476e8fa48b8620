/** Pages, questions and terms: every experiment can begin, and every answer is found in a log. */
import { describe, expect, it } from 'vitest';
import { estimateWork } from '../../src/recipes/work';
import { configOf, plays } from '../../src/ui/course/experiments';
import { PAGES } from '../../src/ui/course/pages';
import { questionOf, QUESTIONS } from '../../src/ui/course/questions';
import { GLOSSARY } from '../../src/ui/glossary';
import { indexLog } from '../../src/ui/readings/logIndex';
import { settingLines } from '../../src/ui/readings/runSettings';
import { gluedParts, partsOf } from '../../src/ui/terms';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';

/** Of the quick preset, which takes the exact engine half a minute on two idle cores. */
const MOST_CALLS = 4_600;

describe.each(PAGES.map((page) => [page.id, page] as const))('page %s', (_, page) => {
  it('has an experiment of under a minute whose run answers its question', async () => {
    const config = configOf(page.experiment, 3);
    expect(plays(page.experiment, config)).toBe(true);
    expect(estimateWork(config).calls).toBeLessThan(MOST_CALLS);
    const index = indexLog(await logOf(new FakeRuntime(), { ...config, trainProblems: 8, evaluationProblems: 8 }));
    const answer = page.question.answer(index);
    expect(answer).not.toBeNull();
    if (page.question.kind === 'choice') expect(page.question.options[answer as number]).toBeDefined();
    // Before there is a test nothing is claimed.
    expect(page.question.kind === 'choice' && page.question.answer(indexLog([]))).toBeFalsy();
  });
});

describe.each(QUESTIONS.map((question) => [question.id, question] as const))('question %s', (_, question) => {
  it('is one run that ends in a sentence', async () => {
    const config = configOf(question.experiment);
    expect(questionOf(config)).toBe(question);
    expect(questionOf({ ...config, seed: 99 })).toBe(question);
    expect(questionOf({ ...config, trainProblems: 7 })).toBeNull();
    expect(estimateWork(config).calls).toBeLessThan(MOST_CALLS);
    const log = await logOf(new FakeRuntime(), { ...config, trainProblems: 8, evaluationProblems: 8 });
    expect(question.answer(indexLog(log))).toMatch(/points \(95 % interval .* to .*, p [=<] /);
    expect(question.answer(indexLog(log.slice(0, 2)))).toBeNull();
  });
});

describe('terms', () => {
  it('are found where they are mentioned first, also in the plural and not inside of words', () => {
    const parts = partsOf('Agents vote. Two votes of agents; devoted people count tokens at equal calls.');
    expect(parts.filter(({ entry }) => entry !== null).map(({ text, entry }) => [text, entry])).toEqual([
      ['Agents', 'agent'],
      ['vote', 'vote'],
      ['tokens', 'token'],
      ['equal calls', 'equal calls'],
    ]);
    expect(parts.map(({ text }) => text).join('')).toBe(
      'Agents vote. Two votes of agents; devoted people count tokens at equal calls.',
    );
    expect(Object.keys(GLOSSARY).length).toBeGreaterThan(20);
  });

  it('hold what no line may part from them', () => {
    const glued = gluedParts(partsOf('The (95 % interval) of a single-agent vote, at last.'));
    const held = glued.filter(({ entry }) => entry !== null).map(({ before, text, after }) => [before, text, after]);
    expect(held).toEqual([
      ['(', '95 % interval', ')'],
      ['single-', 'agent', ''],
      ['', 'vote', ','],
    ]);
    expect(glued.map(({ before, text, after }) => before + text + after).join('')).toBe(
      'The (95 % interval) of a single-agent vote, at last.',
    );
  });

  it('leaves to the first text of a view what a later one mentions too', () => {
    const holders = new Map<string, string>();
    const marked = (id: string, text: string) =>
      partsOf(text, (entry) => {
        const holder = holders.get(entry) ?? id;
        holders.set(entry, holder);
        return holder === id;
      }).flatMap(({ entry }) => entry ?? []);
    expect(marked('first', 'Agents vote.')).toEqual(['agent', 'vote']);
    expect(marked('second', 'The vote is a label.')).toEqual(['label']);
  });
});

it('lists what differs from the preset first', () => {
  const { changed, others } = settingLines(
    configOf({ ...PAGES[3]!.experiment, set: { agents: 4, trainProblems: 24 } }),
  );
  expect(changed.map(({ key, value, preset }) => [key, value, preset])).toEqual([['agents', '4', '3']]);
  expect(others.some(({ key }) => key === 'finetune.lr')).toBe(true);
});
