/** The worker that compares answers for views, looked after: what takes too long is ended and counts as different. */
import { Supervised } from '../supervision';
import { gradings, type Pair } from './readings/grading';
import { startGradingWorker } from './workers';

/** What `workers/grading.ts` serves. */
export interface GradingApi {
  grade(task: string, pairs: Pair[]): Promise<boolean[]>;
}

/** Milliseconds that one call may take. */
const LIMIT = 10_000;

/** From now on views ask a worker; it is started with the first question. */
export function gradeInWorker(): void {
  const worker = new Supervised<GradingApi>({ name: 'grading worker', start: startGradingWorker });
  gradings.use((task, pairs) => worker.call((api) => api.grade(task, pairs), LIMIT));
}
