/** Files of problems in the lab: read for a task, kept in the store, found again for a run. */
import type { RunConfig } from '../../recipes/config';
import type { RunStore, StoredProblems } from '../../store/types';
import { ProblemsMissingError } from '../../store/errors';
import { isFileTask, taskFor, taskNamed } from '../../tasks';
import { measuredProblems } from '../../tasks/dialect';
import { TaskError } from '../../tasks/errors';
import { readProblemFile } from '../../tasks/importer';
import type { Problem, ProblemFile, Task } from '../../tasks/types';
import type { ProblemsSummary } from '../types';

/** The file that a configuration names. */
type Data = NonNullable<RunConfig['data']>;

/**
 * Reads a file with a task and keeps its bytes, so that runs find it again.
 * @param expected the file that a run asks for; another one is refused and not kept
 * @throws ProblemFileError naming the first bad line, TaskError, StorageFullError
 */
export async function keepProblems(
  store: RunStore,
  task: string,
  name: string,
  bytes: Uint8Array,
  expected?: Data,
): Promise<ProblemsSummary> {
  const file = readProblemFile(taskNamed(task), name, bytes);
  if (expected && expected.sha256 !== file.sha256) {
    throw new TaskError(
      `${file.name}: is not the ${expected.name} of this run: its sha-256 begins with ${file.sha256.slice(0, 12)}, not with ` +
        `${expected.sha256.slice(0, 12)}. Choose the file that the run was started with.`,
    );
  }
  await store.putProblems({ sha256: file.sha256, name: expected?.name ?? file.name, created: Date.now(), bytes });
  return summaryOf(file);
}

/** A kept file read again, perhaps with another task. @throws as `keepProblems`, ProblemsMissingError */
export async function readKeptProblems(store: RunStore, task: string, sha256: string): Promise<ProblemsSummary> {
  const { name, bytes } = await store.problems(sha256);
  return summaryOf(readProblemFile(taskNamed(task), name, bytes));
}

/**
 * Refuses before any work a run whose file is not there.
 * @throws ProblemsMissingError that names the file
 */
export async function requireProblems(store: RunStore, { data }: RunConfig): Promise<void> {
  if (data) await keptFile(store, data);
}

/** A run's task with its problems, ready to compare answers, those on which its prompts are measured, and the file. */
export async function readyTask(
  store: RunStore,
  config: RunConfig,
): Promise<{ task: Task; measured: Problem[]; problems?: StoredProblems }> {
  const named = taskNamed(config.task);
  let file: ProblemFile | undefined;
  let problems: StoredProblems | undefined;
  if (isFileTask(named) && config.data) {
    problems = await keptFile(store, config.data);
    file = readProblemFile(named, config.data.name, problems.bytes);
  }
  const task = taskFor(config, file);
  return { task, measured: measuredProblems(task, config.seed, file), ...(problems && { problems }) };
}

async function keptFile(store: RunStore, { name, sha256 }: Data) {
  return store.problems(sha256).catch((error) => {
    // The store does not know under which name.
    throw error instanceof ProblemsMissingError ? new ProblemsMissingError(sha256, name) : error;
  });
}

function summaryOf({ name, sha256, problems, repeated }: ProblemFile): ProblemsSummary {
  return { name, sha256, problems: problems.length, repeated, example: problems[0] ?? null };
}
