/**
 * What the address of the page says behind `#`: a part of the lab with the run on show and what is looked at there
 * (`#/debates/RUN/train/society/1/17`), perhaps with a teacher's lesson (`?lesson=1…`, course/lesson.ts), or an experiment by link
 * (`#1…`, src/share/link.ts). Reading it starts nothing.
 */
import { LessonError, lessonText, readLesson, type Lesson } from './course/lesson';
import { TABS, type TabKey } from './tabs';

export interface ViewPlace {
  tab: TabKey;
  /** Id of the run on show. */
  run: string | null;
  /** What the part looks at, in its own words. */
  detail: string | null;
  /** Absent where nobody made one. */
  lesson?: Lesson;
}

/** `refused`: a lesson that cannot be used, in a sentence. */
export type Place = ViewPlace | { link: string } | { refused: string };

const START: ViewPlace = { tab: 'lab', run: null, detail: null };

/** Ids of runs are made by this program; anything else in an address is not one. */
const RUN_ID = /^[\w-]{1,80}$/;
/** Stands for no run where something is looked at without one. */
const NO_RUN = '-';
const LONGEST_DETAIL = 500;

/** Null for an address that no version of the lab writes. */
export function placeAt(hash: string): Place | null {
  const whole = hash.replace(/^#/, '');
  if (/^\d/.test(whole)) return { link: whole };
  const cut = whole.indexOf('?');
  if (cut < 0) return viewAt(whole);
  const view = viewAt(whole.slice(0, cut));
  try {
    return view && { ...view, lesson: readLesson(whole.slice(cut + 1)) };
  } catch (error) {
    if (!(error instanceof LessonError)) throw error;
    return { refused: error.message };
  }
}

function viewAt(text: string): ViewPlace | null {
  if (text === '' || text === '/') return START;
  const [root, tab, run, ...rest] = text.split('/');
  const known = TABS.find(({ key }) => key === tab);
  if (root !== '' || !known) return null;
  if (run !== undefined && !RUN_ID.test(run)) return null;
  const detail = decoded(rest.join('/'));
  if (detail === null || detail.length > LONGEST_DETAIL) return null;
  return {
    tab: known.key,
    run: run === undefined || run === NO_RUN ? null : run,
    detail: detail === '' ? null : detail,
  };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** The fragment of a place, `#` included; empty for the start. */
export function hashOf({ tab, run, detail, lesson }: ViewPlace): string {
  if (tab === 'lab' && run === null && !lesson) return '';
  const place = run ?? (detail === null ? null : NO_RUN);
  const parts = ['', tab, ...(place === null ? [] : [place, ...(detail === null ? [] : detail.split('/'))])];
  return `#${parts.map(encodeURIComponent).join('/')}${lesson ? lessonText(lesson) : ''}`;
}
