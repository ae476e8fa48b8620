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
  /** One sentence for people. */
  readonly description: string;
  /**
   * `count` problems of a split, the same for the same arguments. `iteration` > 0 asks for another draw of training
   * problems. Splits never share a problem.
   */
  problems(split: Split, count: number, seed: number, iteration?: number): Problem[];
  /** Round 1: the problem alone. */
  solvePrompt(problem: Ungraded): ChatMessage[];
  /** What the other agents answered in the previous round, as a critic reads it; null = unreadable. */
  summarise(others: readonly (string | null)[]): string;
  /** Rounds 2..M: the problem, the slot's own previous answer and the summary of the others. */
  revisePrompt(problem: Ungraded, own: string | null, summary: string): ChatMessage[];
  /** The final answer in canonical form, or null when it cannot be read (counted as wrong, never dropped). */
  extractAnswer(completion: string): string | null;
  /** Do two canonical answers mean the same? */
  equal(a: string, b: string): boolean;
}
