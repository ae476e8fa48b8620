/** A teacher's lesson in the address: what it says comes back, and what is not known is refused in words. */
import { expect, it } from 'vitest';
import { hashOf, placeAt } from '../../src/ui/address';
import {
  asksForPupil,
  HIDABLE,
  LARGEST_SEED,
  lessonSentences,
  lessonText,
  MOST_PUPILS,
  readLesson,
  seedOf,
  type Hidable,
  type Lesson,
} from '../../src/ui/course/lesson';
import { TABS } from '../../src/ui/tabs';

const LESSONS: Lesson[] = [
  { seed: null, pupils: null, pupil: null, hide: [] },
  { seed: 0, pupils: null, pupil: null, hide: ['models'] },
  { seed: LARGEST_SEED, pupils: null, pupil: null, hide: ['lab', 'expert'] },
  { seed: 100, pupils: MOST_PUPILS, pupil: null, hide: [] },
  { seed: 100, pupils: 30, pupil: 30, hide: Object.keys(HIDABLE) as Hidable[] },
];

it.each(LESSONS)('comes back from its address: %j', (lesson) => {
  expect(readLesson(lessonText(lesson).slice(1))).toEqual(lesson);
  const place = { tab: 'course' as const, run: '0b9a-11', detail: 'vote', lesson };
  expect(placeAt(hashOf(place))).toEqual(place);
  const start = { tab: 'lab' as const, run: null, detail: null, lesson };
  expect(placeAt(hashOf(start))).toEqual(start);
});

it('is readable in an address', () => {
  const lesson: Lesson = { seed: 7, pupils: null, pupil: null, hide: ['models', 'runs'] };
  expect(hashOf({ tab: 'course', run: null, detail: 'vote', lesson })).toBe(
    '#/course/-/vote?lesson=1&seed=7&hide=models,runs',
  );
});

it.each([
  ['', 'lacks its version'],
  ['seed=7', 'lacks its version'],
  ['lesson=2', 'another version'],
  ['lesson=1&colour=red', 'says "colour", which no lesson has'],
  ['lesson=1&__proto__=x', 'says "__proto__", which no lesson has'],
  ['lesson=1&seed=7&seed=8', 'says "seed" twice'],
  ['lesson=1&seed=-1', 'seed is no whole number'],
  ['lesson=1&seed=1e3', 'seed is no whole number'],
  ['lesson=1&seed=', 'seed is no whole number'],
  [`lesson=1&seed=${LARGEST_SEED + 1}`, `seed is above ${LARGEST_SEED}`],
  ['lesson=1&seed=1&pupils=0', 'number of pupils is below 1'],
  [`lesson=1&seed=1&pupils=${MOST_PUPILS + 1}`, `number of pupils is above ${MOST_PUPILS}`],
  ['lesson=1&pupils=30', 'pupils and no first seed'],
  ['lesson=1&seed=1&pupil=3', 'pupil is none of the class'],
  ['lesson=1&seed=1&pupils=2&pupil=3', 'pupil is none of the class'],
  ['lesson=1&hide=', 'hides "", which this page does not have'],
  ['lesson=1&hide=course', 'hides "course", which this page does not have'],
  ['lesson=1&hide=toString', 'hides "toString", which this page does not have'],
  ['lesson=1&hide=models,models', 'hides something twice'],
  [`lesson=1&hide=${'x'.repeat(300)}`, 'longer than 300 characters'],
])('%s is refused: %s', (text, why) => {
  expect(() => readLesson(text)).toThrow(why);
  expect(placeAt(`#/course/-/vote?${text}`)).toEqual({ refused: expect.stringContaining(why) as unknown });
});

it('gives each pupil a seed, once the number is known', () => {
  const [, , , all, last] = LESSONS as [Lesson, Lesson, Lesson, Lesson, Lesson];
  expect(asksForPupil(all)).toBe(true);
  expect(asksForPupil(last)).toBe(false);
  expect(seedOf(last)).toBe(129);
  expect(seedOf({ ...last, pupil: 1 })).toBe(100);
  expect(lessonSentences(all)[0]).toContain('from 100 to 299');
});

it('can hide every part but the course', () => {
  for (const { key } of TABS) expect(key === 'course' || Object.hasOwn(HIDABLE, key)).toBe(true);
});
