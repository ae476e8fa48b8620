/** One model and one list of prompts through several runtimes: how fast each is by rows, and whether they say the same. */
import type { Answer, Question } from '../../runtimes/types';
import { arithmetic } from '../../tasks/arithmetic';

/** What is measured: the embedded model, which every runtime of the page can have. */
export const RUNTIMES_MODEL = 'arithmetic-0.4m';
/** Seed of the problems. */
export const RUNTIMES_SEED = 5;

/** A runtime that is open. */
export interface Asks {
  /** For people. */
  name: string;
  ask(questions: Question[]): Promise<Answer[]>;
}

export interface RuntimeSpeed {
  runtime: string;
  /** Questions that are asked at once. */
  rows: number;
  tokensPerSecond: number;
}

/** How many greedy answers have the ids of the first runtime. */
export interface RuntimeAgreement {
  runtime: string;
  same: number;
  of: number;
}

export interface RuntimesRequest {
  rows: readonly number[];
  /** Seconds for a speed, about; the quickest repetition counts. */
  seconds: number;
  /** Problems whose greedy answers are compared. */
  compared: number;
}

/** Speeds of all runtimes, then the agreement of each but the first with the first. */
export async function* measureRuntimes(
  runtimes: readonly Asks[],
  { rows, seconds, compared }: RuntimesRequest,
): AsyncGenerator<RuntimeSpeed | RuntimeAgreement, void, void> {
  for (const one of runtimes)
    for (const count of rows)
      yield { runtime: one.name, rows: count, tokensPerSecond: await tokensPerSecond(one, count, seconds) };
  const [first, ...others] = runtimes;
  const own = (await first?.ask(greedyQuestions(compared))) ?? [];
  for (const other of others) {
    const theirs = await other.ask(greedyQuestions(compared));
    const same = own.filter(({ ids }, at) => JSON.stringify(ids) === JSON.stringify(theirs[at]?.ids)).length;
    yield { runtime: other.name, same, of: compared };
  }
}

/** Of the quickest repetition; one before them is not counted. */
async function tokensPerSecond({ ask }: Asks, rows: number, seconds: number): Promise<number> {
  const questions = greedyQuestions(rows);
  await ask(questions);
  let best = 0;
  for (const end = performance.now() + 1000 * seconds; ;) {
    const start = performance.now();
    const answers = await ask(questions);
    const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
    best = Math.max(best, (1000 * tokens) / (performance.now() - start));
    if (performance.now() >= end) return best;
  }
}

/** Held-out problems of arithmetic, asked without a draw. */
export function greedyQuestions(count: number): Question[] {
  return arithmetic.problems('evaluation', count, RUNTIMES_SEED).map(({ id, question }) => ({
    at: { purpose: 'evaluation', learner: 'base', iteration: 0, problem: id },
    call: 'answer-0',
    kind: 'answer',
    agent: 'base',
    seat: 0,
    layer: 0,
    adapter: null,
    messages: [{ role: 'user', content: question }],
    sampling: { temperature: 0 },
    draw: { stream: 2, iteration: 0, agent: 0, problem: id, round: 1 },
  }));
}
