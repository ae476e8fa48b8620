/** Equality of answers that can be seen without reading them as formulas. */
import type { Task } from './types';

/** A number as `canonicalNumber` writes it, fractions aside; equal ones have equal texts. */
const CANONICAL = /^-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/;
const LONGEST = 200;

/** true or false where that is plain from the texts, null where the task must compare them. */
export function quickEqual(task: Pick<Task, 'exact'>, a: string, b: string): boolean | null {
  if (a === b || task.exact) return a === b;
  return isCanonical(a) && isCanonical(b) ? false : null;
}

const isCanonical = (text: string): boolean => text.length <= LONGEST && CANONICAL.test(text);
