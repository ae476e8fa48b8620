/** What a task's prompts ask of a model's tokenizer. */
import { TaskError } from './errors';
import type { ChatMessage, Problem, ProblemFile, Task } from './types';

/** The part of a tokenizer that the check asks. */
interface Speaker {
  hasChatTemplate: boolean;
  encodeChat(messages: readonly ChatMessage[], addGenerationPrompt: boolean): Promise<number[]>;
  encode(text: string): Promise<number[]>;
  decode(ids: readonly number[]): string;
}

/**
 * Refuses a model before a long run does: one without a chat template, or one whose tokenizer cannot write the prompts (the
 * embedded model knows 24 characters).
 * @throws TaskError that says which, and what to do.
 */
export async function checkDialect(task: Task, problem: Problem, tokenizer: Speaker, model: string): Promise<void> {
  if (!tokenizer.hasChatTemplate) {
    throw new TaskError(`${model}: has no chat template; task ${task.name} needs an instruct model`);
  }
  for (const { content } of task.solvePrompt(problem) satisfies ChatMessage[]) {
    // Some tokenizers add or merge white space; that loses nothing.
    const written = tokenizer.decode(await tokenizer.encode(content)).replace(/\s/g, '');
    if (written === content.replace(/\s/g, '')) continue;
    throw new TaskError(
      `${model}: its tokenizer cannot write the prompts of task ${task.name}; choose an instruct model (on the command line with model=FOLDER)`,
    );
  }
}

/** Problems on which prompts are measured, where they all look alike. */
const MEASURED_PROBLEMS = 20;

/** The problems whose prompts are checked before a run: all of its file, or some of those that the task makes. */
export function measuredProblems(task: Task, seed: number, file?: ProblemFile): Problem[] {
  return file?.problems ?? task.problems('evaluation', MEASURED_PROBLEMS, seed);
}

/** What the longest prompt quotes: texts of others (0 = nobody's), which the base model may summarise first. */
interface Quoting {
  others: number;
  summarised: boolean;
}

/** Text that is decoded and encoded again may take more tokens than were sampled; by how much at most, as a share. */
const REENCODING = 1 / 8;

/**
 * Tokens of the longest sequence that a chat recipe can ask for, the response included: where others are quoted a revision, which reads the
 * seat's previous response and either all others or their summary, which in turn was made from all others.
 * @param problems those whose questions count; the words around the responses are measured on each.
 */
export async function longestChat(
  task: Task,
  problems: readonly Problem[],
  tokenizer: Pick<Speaker, 'encodeChat'>,
  { others, summarised, maxTokens }: Quoting & { maxTokens: number },
): Promise<number> {
  const nothing = Array.from({ length: others }, () => '');
  const length = async (messages: ChatMessage[], responses: number) =>
    (await tokenizer.encodeChat(messages, true)).length +
    Math.ceil(responses * maxTokens * (1 + REENCODING)) +
    maxTokens;
  const longest = async (problem: Problem): Promise<number> => {
    if (others === 0) return length(task.solvePrompt(problem), 0);
    const revision = length(
      task.revisePrompt(problem, '', summarised ? '' : task.summarise(nothing)),
      summarised ? 2 : others + 1,
    );
    const summarising = summarised && task.summarisePrompt ? length(task.summarisePrompt(problem, nothing), others) : 0;
    return Math.max(await revision, await summarising);
  };
  // Of so many that a call has no room for them as arguments.
  return (await Promise.all(problems.map(longest))).reduce((most, one) => Math.max(most, one), 0);
}
