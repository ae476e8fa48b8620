/**
 * A lesson: what a teacher fixed for a class. It stands in the address behind the place (`#/course/-/vote?lesson=1&seed=7&hide=models,runs`)
 * and nowhere else; nothing is collected. Whatever is not known is refused in words.
 */
import * as v from 'valibot';
import { PolylogueError } from '../../engine/errors';

/** What a lesson can hide, by the word that stands in the address, and what it is called on the page. */
export const HIDABLE = {
  lab: 'the part Lab, with the settings of a run',
  results: 'the part Results',
  debates: 'the part Debates',
  votes: 'the part Votes',
  datasets: 'the part Data sets',
  models: 'the part Models',
  runs: 'the part Runs',
  bench: 'the part Bench',
  pages: 'the other pages of the course',
  questions: 'the questions to a society',
  recorded: 'recorded runs beside the course',
  method: 'the choice of a method',
  preset: 'the choice of a preset',
  task: 'the choice of a task',
  model: 'the choice of a model',
  main: 'the settings of the method',
  expert: 'More settings',
} as const;

export type Hidable = keyof typeof HIDABLE;

export interface Lesson {
  /** Of every run that is started, or of the first pupil's; null = the visitor chooses. */
  seed: number | null;
  /** So many pupils have seeds of their own, one after another from `seed` on; null = one seed for the class. */
  pupils: number | null;
  /** Number of the pupil at this page, from 1; null = not given, or the class has one seed. */
  pupil: number | null;
  hide: readonly Hidable[];
}

export const LARGEST_SEED = 999_999;
export const MOST_PUPILS = 200;
const VERSION = '1';
/** Characters of a lesson in an address. */
const LONGEST = 300;

/** A lesson's part of an address that cannot be used; the message says why. */
export class LessonError extends PolylogueError {
  constructor(problem: string) {
    super(
      `The lesson in this address cannot be used: ${problem}. Ask for the link again, or open the page without it.`,
    );
  }
}

const whole = (what: string, least: number, most: number) =>
  v.pipe(
    v.string(),
    v.regex(/^\d{1,7}$/, `its ${what} is no whole number`),
    v.transform(Number),
    v.minValue(least, `its ${what} is below ${least}`),
    v.maxValue(most, `its ${what} is above ${most}`),
  );

const isHidable = (word: string): word is Hidable => Object.hasOwn(HIDABLE, word);

const SCHEMA = v.pipe(
  v.strictObject(
    {
      lesson: v.literal(VERSION, `it has another version, and this page reads version ${VERSION}`),
      seed: v.optional(whole('seed', 0, LARGEST_SEED)),
      pupils: v.optional(whole('number of pupils', 1, MOST_PUPILS)),
      pupil: v.optional(whole('pupil', 1, MOST_PUPILS)),
      hide: v.optional(
        v.pipe(
          v.string(),
          v.transform((text) => text.split(',')),
          v.checkItems(isHidable, ({ input }) => `it hides "${input}", which this page does not have`),
          v.check((words) => new Set(words).size === words.length, 'it hides something twice'),
        ),
      ),
    },
    (issue) =>
      issue.expected === 'never'
        ? `it says "${v.getDotPath(issue)}", which no lesson has`
        : 'it lacks its version, lesson=1',
  ),
  v.check(({ pupils, seed }) => pupils === undefined || seed !== undefined, 'it has pupils and no first seed'),
  v.check(
    ({ pupils, pupil }) => pupil === undefined || (pupils !== undefined && pupil <= pupils),
    'its pupil is none of the class',
  ),
);

/** @param text behind the `?` of a fragment @throws LessonError */
export function readLesson(text: string): Lesson {
  if (text.length > LONGEST) throw new LessonError(`it is longer than ${LONGEST} characters`);
  const given = [...new URLSearchParams(text)];
  const names = given.map(([name]) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new LessonError(`it says "${twice.slice(0, 40)}" twice`);
  const read = v.safeParse(SCHEMA, Object.fromEntries(given), { abortEarly: true });
  if (!read.success) throw new LessonError(read.issues[0].message.slice(0, 160));
  const { seed = null, pupils = null, pupil = null, hide = [] } = read.output;
  return { seed, pupils, pupil, hide: hide.filter(isHidable) };
}

/** The lesson as it stands in a fragment, `?` included. */
export function lessonText({ seed, pupils, pupil, hide }: Lesson): string {
  const said = [
    `lesson=${VERSION}`,
    ...(seed === null ? [] : [`seed=${seed}`]),
    ...(pupils === null ? [] : [`pupils=${pupils}`]),
    ...(pupil === null ? [] : [`pupil=${pupil}`]),
    ...(hide.length === 0 ? [] : [`hide=${hide.join(',')}`]),
  ];
  return `?${said.join('&')}`;
}

/** The seed of runs that are started here; null = the visitor chooses. */
export function seedOf({ seed, pupils, pupil }: Lesson): number | null {
  return seed !== null && pupils !== null && pupil !== null ? seed + pupil - 1 : seed;
}

/** Has the pupil to say a number before there is a seed? */
export const asksForPupil = ({ pupils, pupil }: Lesson): boolean => pupils !== null && pupil === null;

/** "7 for every run" and what is hidden, for people. */
export function lessonSentences(lesson: Lesson): string[] {
  const { seed, pupils, hide } = lesson;
  const rule =
    seed === null
      ? 'Everybody chooses seeds freely.'
      : pupils === null
        ? `Every run has the seed ${seed}: on the exact engine the whole class sees the same run.`
        : `Each of ${pupils} pupils has a seed, from ${seed} to ${seed + pupils - 1}: everybody sees a run of their own, and can repeat it.`;
  const hidden = hide.map((word) => HIDABLE[word]);
  return [rule, hidden.length === 0 ? 'Nothing is hidden.' : `Hidden: ${hidden.join(', ')}.`];
}
