/** Every task by name. Adding one is a file here and a line in this list. */
import { arithmetic } from './arithmetic';
import { arithmeticChat } from './arithmeticChat';
import { TaskError } from './errors';
import { bindProblems } from './fileTask';
import { gsm8k } from './gsm8k';
import { jsonl } from './jsonl';
import { multipleChoice } from './multipleChoice';
import { prompts } from './prompts';
import { strategies } from './strategies';
import { variantOf, type TaskVariant } from './wording';
import type { FileTask, ProblemFile, Task } from './types';

export const TASKS: readonly (Task | FileTask)[] = [
  arithmetic,
  strategies,
  arithmeticChat,
  gsm8k,
  multipleChoice,
  jsonl,
  prompts,
];

/**
 * A task as it is without any file: a file task of this kind renders prompts and grades, but has no problems.
 * @throws TaskError when there is no task of that name.
 */
export function taskNamed(name: string): Task | FileTask {
  const task = TASKS.find((candidate) => candidate.name === name);
  if (!task) throw new TaskError(`task "${name}": unknown; there are ${TASKS.map((t) => t.name).join(', ')}`);
  return task;
}

/** Are the task's problems in a file? */
export function isFileTask(task: Task | FileTask): task is FileTask {
  return 'readProblem' in task;
}

/** What of a configuration decides about its task. */
interface TaskChoice extends TaskVariant {
  task: string;
  trainProblems: number;
  evaluationProblems: number;
  data?: { name: string; sha256: string };
}

/**
 * The task of a run, with the problems of its file where it needs one.
 * @throws TaskError when the file is missing, is not the one that the configuration names, or holds too few problems.
 */
export function taskFor(config: TaskChoice, file?: ProblemFile): Task {
  const task = taskNamed(config.task);
  if (!isFileTask(task)) return variantOf(task, config);
  const { data, evaluationProblems } = config;
  const elsewhere = learnsElsewhere(config);
  const trainProblems = elsewhere ? 0 : config.trainProblems;
  if (!file) throw new TaskError(`task "${task.name}": needs its file of problems${data ? `, ${data.name}` : ''}`);
  if (data && data.sha256 !== file.sha256) {
    throw new TaskError(`${file.name}: is not the ${data.name} of this run; its sha-256 differs`);
  }
  if (trainProblems + evaluationProblems > file.problems.length) {
    throw new TaskError(
      `${file.name}: holds ${file.problems.length} problems, and ${trainProblems} for training and ` +
        `${evaluationProblems} for evaluation are asked for; lower trainProblems or evaluationProblems`,
    );
  }
  const bound = bindProblems(task, file, evaluationProblems);
  return variantOf(bound, config, elsewhere ? new Set(file.problems.map(({ id }) => id)) : undefined);
}

/** Training problems are those of another task, so none of the file's are needed for them. */
export function learnsElsewhere({ transfer }: Pick<TaskChoice, 'task'> & TaskVariant): boolean {
  return transfer?.from !== undefined && transfer.from !== 'none';
}

/** The task of a configuration with its words, as prompts and grading need it: a file task has no problems here. @throws TaskError */
export function wordsOf(config: Pick<TaskChoice, 'task'> & TaskVariant): Task {
  return variantOf(taskNamed(config.task), config);
}
