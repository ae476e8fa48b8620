/** Does a model's vocabulary hold what a task writes? */
import { TaskError } from './errors';
import type { ChatMessage, Problem, Task } from './types';

/** The part of a tokenizer that the check asks. */
interface Speaker {
  hasChatTemplate: boolean;
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
}

/**
 * Refuses a model before a long run does: one without a chat template, or one whose tokenizer cannot write the prompts (the
 * embedded model knows 24 characters).
 * @throws TaskError that says which, and what to do.
 */
export function checkDialect(task: Task, problem: Problem, tokenizer: Speaker, model: string): void {
  if (!tokenizer.hasChatTemplate) {
    throw new TaskError(`${model}: has no chat template; task ${task.name} needs an instruct model`);
  }
  for (const { content } of task.solvePrompt(problem) satisfies ChatMessage[]) {
    // Some tokenizers add or merge white space; that loses nothing.
    const written = tokenizer.decode(tokenizer.encode(content)).replace(/\s/g, '');
    if (written === content.replace(/\s/g, '')) continue;
    throw new TaskError(
      `${model}: its tokenizer cannot write the prompts of task ${task.name}; choose an instruct model with model=FOLDER`,
    );
  }
}
