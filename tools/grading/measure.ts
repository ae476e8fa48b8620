/** How long grading takes on hostile responses: `npx tsx tools/grading/measure.ts [COUNT [SEED]]`. */
import { pathToFileURL } from 'node:url';
import { isFileTask, TASKS } from '../../src/tasks';
import { hostileResponse } from './hostile';

/** Longest time that one answer may take, in milliseconds. */
export const MOST_MS = 250;

export interface GradingTimes {
  responses: number;
  /** The longest extraction, or comparison with the answer before, in milliseconds. */
  longestMs: number;
  /** The beginning of the response that took it, and the task that graded it. */
  longest: string;
  task: string;
  /** Responses that took longer than `MOST_MS`. */
  over: number;
}

/** Reads the answers of `count` seeded responses by every task with a file, and compares each with the one before. */
export function measureGrading(count: number, seed = 1): GradingTimes {
  const tasks = TASKS.filter(isFileTask);
  const times: GradingTimes = { responses: count, longestMs: 0, longest: '', task: '', over: 0 };
  const before = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const response = hostileResponse(seed, index);
    for (const task of tasks) {
      const start = performance.now();
      const answer = task.extractAnswer(response);
      const earlier = before.get(task.name);
      if (answer !== null && earlier !== undefined) task.equal(answer, earlier);
      if (answer !== null) task.equal(answer, `${answer.slice(0, -1)}2`);
      const took = performance.now() - start;
      if (answer !== null) before.set(task.name, answer);
      if (took > MOST_MS) times.over++;
      if (took > times.longestMs)
        Object.assign(times, { longestMs: took, longest: response.slice(0, 60), task: task.name });
    }
  }
  return times;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [count = '10000', seed = '1'] = process.argv.slice(2);
  console.log(JSON.stringify(measureGrading(Number(count), Number(seed)), null, 2));
}
