/** Tasks whose problems are in a file: reading of fields, and the split into training and evaluation. */
import { drawUint, STREAMS } from '../random';
import { TaskError } from './errors';
import type { FileTask, Problem, ProblemFile, Split, Task } from './types';

/**
 * The task with the problems of a file. The seed puts them in an order in which each problem's place depends on its own id.
 * Evaluation takes them from the front and training from the back, so the number of evaluation problems does not change
 * which ones are trained on; an iteration's new draw takes another order of what is not held out.
 * @param heldOut most problems that evaluation will ask for.
 */
export function bindProblems(task: FileTask, file: ProblemFile, heldOut: number): Task {
  const { name, problems: all } = file;
  return {
    ...task,
    problems(split: Split, count: number, seed: number, iteration = 0): Problem[] {
      const available = split === 'evaluation' ? heldOut : all.length - heldOut;
      if (count > available || heldOut > all.length) {
        throw new TaskError(
          `${name}: ${count} ${split} problems asked for, but of its ${all.length} problems ${heldOut} are for ` +
            'evaluation; lower trainProblems or evaluationProblems',
        );
      }
      const order = ordered(all, seed, 0);
      if (split === 'evaluation') return order.slice(0, count);
      const pool = order.slice(heldOut).reverse();
      return (iteration === 0 ? pool : ordered(pool, seed, iteration)).slice(0, count);
    },
  };
}

/** `problems` of a file task without its file. */
export function withoutProblems(task: string): Task['problems'] {
  return () => {
    throw new TaskError(`task "${task}": its problems are in a file, and there is none`);
  };
}

/** A field that must be text with something in it. @throws Error that names the field. */
export function textField(record: Readonly<Record<string, unknown>>, field: string): string {
  const value = record[field];
  if (value === undefined) throw new Error(`"${field}" is missing`);
  if (typeof value !== 'string') throw new Error(`"${field}" is not text`);
  if (value.trim() === '') throw new Error(`"${field}" is empty`);
  return value.trim();
}

/**
 * A JSON number as text.
 * @throws Error for a number of which JavaScript may have lost digits: a file may say 9007199254740993.
 */
export function numberText(value: number): string {
  const digits = String(value).replace(/e.*$/, '').replace(/\D/g, '').replace(/^0+/, '');
  if (digits.length > 15 || !Number.isFinite(value)) {
    throw new Error(
      '"answer" is a number of more than 15 digits; put it into quotation marks, so that no digit is lost',
    );
  }
  return String(value);
}

/** Sorted by a draw of each problem's own. */
function ordered(problems: readonly Problem[], seed: number, iteration: number): Problem[] {
  return problems
    .map((problem) => ({
      problem,
      key: drawUint({ seed, stream: STREAMS.problems, iteration, problem: problem.id }, 0),
    }))
    .sort((x, y) => x.key - y.key || x.problem.id - y.problem.id)
    .map(({ problem }) => problem);
}
