/** Every task by name. Adding one is a file here and a line in this list. */
import { arithmetic } from './arithmetic';
import { TaskError } from './errors';
import type { Task } from './types';

export const TASKS: readonly Task[] = [arithmetic];

/** @throws TaskError when there is no task of that name. */
export function taskNamed(name: string): Task {
  const task = TASKS.find((candidate) => candidate.name === name);
  if (!task) throw new TaskError(`task "${name}": unknown; there are ${TASKS.map((t) => t.name).join(', ')}`);
  return task;
}
