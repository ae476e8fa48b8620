/** One list of prompts through several runtimes: how fast each is by rows, and whether they say the same. */
import { resolveConfig } from '../../recipes/resolve';
import type { RunConfig } from '../../recipes/config';
import { VoiceError } from '../../runtimes/errors';
import type { Answer, Question } from '../../runtimes/types';
import { taskNamed } from '../../tasks';

/** The embedded model, which every visitor has on the engine and on transformers.js. */
export const RUNTIMES_MODEL = 'arithmetic-0.4m';
/** Seed of the problems. */
export const RUNTIMES_SEED = 5;
/** Tokens of an answer in words at most: speeds and agreement show in few. */
const CHAT_TOKENS = 64;
/** Longest prompt and answer in words, in tokens: what an engine keeps room for. */
export const CHAT_LENGTH = 512;

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

/** How many greedy answers of a runtime are those of another. */
export interface RuntimeAgreement {
  runtime: string;
  /** The other one. */
  with: string;
  /** With the same ids; null where one of both gives none. */
  same: number | null;
  /** With the same text. */
  texts: number;
  of: number;
}

/** It failed while it was measured. */
export interface RuntimeFailure {
  runtime: string;
  why: string;
}

export type RuntimeFinding = RuntimeSpeed | RuntimeAgreement | RuntimeFailure;

export interface RuntimesRequest {
  /** What is asked: `runtimesConfig`. */
  config: RunConfig;
  rows: readonly number[];
  /** Seconds for a speed, about; the quickest repetition counts. */
  seconds: number;
  /** Problems whose greedy answers are compared. */
  compared: number;
  /** What goes on, for people. */
  onDoing?: (what: string) => void;
}

/** What is asked: the embedded model's short prompts, or arithmetic in words for every other model. @param embedded is it that model? */
export function runtimesConfig(embedded: boolean): RunConfig {
  if (embedded) return resolveConfig('arithmetic-quick', { seed: RUNTIMES_SEED });
  const shorter = { seed: RUNTIMES_SEED, 'sampling.maxTokens': String(CHAT_TOKENS) };
  return resolveConfig('arithmetic-chat-quick', shorter);
}

/**
 * Speeds of all runtimes, then the agreement of each with the first. A runtime that fails is left out from there on; the others are
 * measured all the same.
 */
export async function* measureRuntimes(
  runtimes: readonly Asks[],
  { config, rows, seconds, compared, onDoing }: RuntimesRequest,
): AsyncGenerator<RuntimeFinding, void, void> {
  const failed = new Map<string, RuntimeFailure>();
  const attempt = async <T>({ name }: Asks, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      failed.set(name, { runtime: name, why: whyOf(error) });
      return null;
    }
  };
  for (const one of runtimes)
    for (const count of rows) {
      if (failed.has(one.name)) break;
      onDoing?.(`Measuring ${one.name}, ${count} ${count === 1 ? 'row' : 'rows'}`);
      const tokens = await attempt(one, () => tokensPerSecond(one, greedyQuestions(config, count), seconds));
      yield tokens === null ? failed.get(one.name)! : { runtime: one.name, rows: count, tokensPerSecond: tokens };
    }
  const questions = greedyQuestions(config, compared);
  let first: { name: string; answers: Answer[] } | null = null;
  for (const one of runtimes) {
    if (failed.has(one.name)) continue;
    onDoing?.(`Comparing the answers of ${one.name}`);
    const answers = await attempt(one, () => one.ask(questions));
    if (answers === null) yield failed.get(one.name)!;
    else if (first === null) first = { name: one.name, answers };
    else yield { runtime: one.name, with: first.name, ...agreement(first.answers, answers) };
  }
}

function agreement(own: readonly Answer[], theirs: readonly Answer[]): Omit<RuntimeAgreement, 'runtime' | 'with'> {
  const given = [...own, ...theirs].every(({ ids }) => ids !== undefined);
  const count = (of: (answer: Answer) => string): number =>
    own.filter((answer, at) => of(answer) === of(theirs[at] as Answer)).length;
  return {
    same: given ? count(({ ids }) => JSON.stringify(ids)) : null,
    texts: count(({ text }) => text),
    of: own.length,
  };
}

/** An error in words, beside the name of its runtime. */
export function whyOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const own = error instanceof VoiceError ? `${error.runtime}: ` : '';
  return message.startsWith(own) ? message.slice(own.length) : message;
}

/** Of the quickest repetition; one before them is not counted. */
async function tokensPerSecond({ ask }: Asks, questions: Question[], seconds: number): Promise<number> {
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

/** Held-out problems of the configuration's task, asked without a draw. */
export function greedyQuestions({ task: name }: Pick<RunConfig, 'task'>, count: number): Question[] {
  const task = taskNamed(name);
  return task.problems('evaluation', count, RUNTIMES_SEED).map((problem) => ({
    at: { purpose: 'evaluation', learner: 'base', iteration: 0, problem: problem.id },
    call: 'answer-0',
    kind: 'answer',
    agent: 'base',
    seat: 0,
    layer: 0,
    adapter: null,
    messages: task.solvePrompt(problem),
    sampling: { temperature: 0 },
    draw: { stream: 2, iteration: 0, agent: 0, problem: problem.id, round: 1 },
  }));
}
