/** The contract of a task: problems, prompts, answers. Pure: no engine, no DOM. */

export interface Problem {
  /** Unique within a run and stable for a seed: also the `problem` word of every draw about it, below 2^32. */
  id: number;
  question: string;
  /** The true answer. Used for evaluation and diagnostics only, never inside the loop. */
  gold: string;
}

/** A problem as the society sees it: gold is physically absent from everything inside the loop. */
export type Ungraded = Omit<Problem, 'gold'>;

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export type Split = 'train' | 'evaluation';

export interface Task {
  readonly name: string;
  /** Grows when the same seed gives other problems, prompts or grades; logs name it. */
  readonly revision: number;
  /** Its name for people. */
  readonly title: string;
  /** One sentence for people. */
  readonly description: string;
  /**
   * `compact`: what the embedded model speaks; an agent reads final answers, its own and the others'. `chat`: messages for the
   * tokenizer's chat template; an agent reads whole responses.
   */
  readonly dialect: 'compact' | 'chat';
  /**
   * `count` problems of a split, the same for the same arguments. `iteration` > 0 asks for another draw of training
   * problems. Splits never share a problem.
   */
  problems(split: Split, count: number, seed: number, iteration?: number): Problem[];
  /** Round 1: the problem alone. */
  solvePrompt(problem: Ungraded): ChatMessage[];
  /**
   * What the other agents said in the previous round, as a critic reads it when no model summarises: answers in the compact
   * dialect (null = unreadable), responses in chat.
   */
  summarise(others: readonly (string | null)[]): string;
  /** Chat only: asks a model for a summary of the others' responses (`summary: 'base-model'`). */
  summarisePrompt?(problem: Ungraded, others: readonly string[]): ChatMessage[];
  /** Rounds 2..M: the problem, the slot's own previous answer (compact) or response (chat) and the summary of the others. */
  revisePrompt(problem: Ungraded, own: string | null, summary: string): ChatMessage[];
  /** The problem with its answer: a solution that arrives there is asked for (STaR's rationalisation). */
  hintPrompt?(problem: Ungraded, answer: string): ChatMessage[];
  /** Chat only: asks one model to choose among the responses to a problem. For recipes with a judge; those of now vote. */
  judgePrompt?(problem: Ungraded, responses: readonly string[]): ChatMessage[];
  /** The final answer in canonical form, or null when it cannot be read (counted as wrong, never dropped). */
  extractAnswer(completion: string): string | null;
  /** Canonical answers are equal when their texts are. */
  readonly exact?: true;
  /** Do two canonical answers mean the same? */
  equal(a: string, b: string): boolean;
}

/** A task whose problems are in a file. Prompts and grading work without the file, `problems` does not. */
export interface FileTask extends Task {
  /** What a line holds, for people. */
  readonly lineFormat: string;
  /** A line as an example. */
  readonly exampleLine: string;
  /**
   * The true answer in canonical form.
   * @param answer in the layout of the task's files; gsm8k takes the bare number too.
   * @param record what stands beside it, for example `choices`. @throws Error that says what is wrong with it.
   */
  readGold(answer: unknown, record: Readonly<Record<string, unknown>>): string;
  /** @param record one line's JSON object. @throws Error that says what is wrong with it (the importer adds file and line). */
  readProblem(record: Readonly<Record<string, unknown>>): Omit<Problem, 'id'>;
}

/** Problems read from a file. */
export interface ProblemFile {
  /** Base name. */
  name: string;
  /** sha-256 of the file's bytes, hex. */
  sha256: string;
  /** In the file's order, every question once. */
  problems: Problem[];
  /** Lines that repeat an earlier question and answer; they are left out so that no question is in both splits. */
  repeated: number;
}
