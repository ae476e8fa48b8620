/** What a teacher has chosen so far, kept while the lesson is looked at as a pupil sees it. */
import type { Hidable, Lesson } from './lesson';

export type SeedRule = 'class' | 'pupil' | 'free';

class TeacherForm {
  /** Id of the page where the lesson begins. */
  page = $state('vote');
  rule = $state<SeedRule>('class');
  seed = $state<number | null>(1);
  pupils = $state<number | null>(30);
  hide = $state.raw<readonly Hidable[]>(['models', 'expert']);
  /** The teacher looks at the page as a pupil does. */
  previewing = $state(false);

  /** Null while a number is missing. */
  get lesson(): Lesson | null {
    const { rule, seed, pupils, hide } = this;
    if (rule === 'free') return { seed: null, pupils: null, pupil: null, hide };
    if (seed === null || (rule === 'pupil' && pupils === null)) return null;
    return { seed, pupils: rule === 'pupil' ? pupils : null, pupil: null, hide };
  }
}

/** One a page. */
export const teacherForm = new TeacherForm();
