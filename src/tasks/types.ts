/** The contract of a task: problems, prompts, answers. Pure: no engine, no DOM. */

export interface Problem {
  /** Unique within a run and stable for a seed: also the `problem` word of every draw about it, below 2^32. */
  id: number;
  question: string;
  /** The true answer. Used for evaluation and diagnostics only, never inside the loop. Absent: nobody knows it. */
  gold?: string;
}

/** A problem whose true answer is known. */
export type Graded = Problem & { gold: string };

/** A problem as the society sees it: gold is physically absent from everything inside the loop. */
export type Ungraded = Omit<Problem, 'gold'>;

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** A response that a model may choose. */
export interface Candidate {
  /** Canonical. */
  answer: string;
  text: string;
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
  /** As `revisePrompt`, where agents are asked to work out one answer together. */
  cooperatePrompt?(problem: Ungraded, own: string | null, summary: string): ChatMessage[];
  /** Who a seat is, before every prompt that asks it for an answer. Absent: prompts name nobody. */
  introduction?(seat: number): string;
  /** The problem with its answer: a solution that arrives there is asked for (STaR's rationalisation). */
  hintPrompt?(problem: Ungraded, answer: string): ChatMessage[];
  /** Asks whether an answer (compact; null = unreadable) or a response (chat) to the problem is right. */
  verifyPrompt?(problem: Ungraded, own: string | null): ChatMessage[];
  /** The problem, an answer (compact) or response (chat) to it, and what somebody found who checked it, in the same form. */
  refinePrompt?(problem: Ungraded, own: string | null, critique: string | null): ChatMessage[];
  /** Chat only: asks one model to choose among the responses to a problem. For recipes with a judge; those of now vote. */
  judgePrompt?(problem: Ungraded, responses: readonly string[]): ChatMessage[];
  /** How hard a problem is (terms, digits, carries). Absent: nothing but the length of its question is known. */
  difficulty?(problem: Ungraded): number;
  /** A worked solution that arrives at the true answer, as a response writes it. Absent: a response that states the answer alone. */
  solution?(problem: Graded): string;
  /** A response that states an answer and nothing else. */
  stated(answer: string): string;
  /** Candidates, a true one among them, in an order that does not tell which it is. Absent: there are none to choose from. */
  candidates?(problem: Graded): Candidate[];
  /** The final answer in canonical form, or null when it cannot be read (counted as wrong, never dropped). */
  extractAnswer(completion: string): string | null;
  /** Its problems have no true answers: nothing is right or wrong. */
  readonly ungraded?: true;
  /** Canonical answers are equal when their texts are. */
  readonly exact?: true;
  /** Do two canonical answers mean the same? */
  equal(a: string, b: string): boolean;
  /** The ways of working a problem out, where responses show which one they took. Absent: a response does not tell. */
  readonly strategies?: Strategies;
}

/** Ways of working a problem out that can be told apart by a response. */
export interface Strategies {
  /** In the order in which agents prefer them where a run starts with diversity. */
  readonly names: readonly { key: string; label: string }[];
  /** The key of the strategy that a response shows, or null where it shows none. */
  of(response: string): string | null;
  /** Keys of those with which the base model goes wrong on a problem: its gaps. A diagnostic that no recipe reads. */
  wrongOn(problem: Pick<Ungraded, 'question'>): readonly string[];
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
