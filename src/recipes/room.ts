/** Is there room in a model's context for what a configuration asks? Found out before a run instead of while it runs. */
import type { ChatTokenizer } from '../backends/tokenizer';
import type { ChatMessage, Problem, Task } from '../tasks/types';
import type { RunConfig } from './config';
import { ConfigurationError } from './errors';
import { needOf } from './work';

/**
 * Refuses a run in which no problem at all has room for its prompt, or with it for a response as long as the setting allows (each would be
 * cut earlier than it says), or for a revision. Where some have, it begins, and the log says which texts were shortened, cut or never
 * asked for.
 *
 * @param task with its problems
 * @param context tokens of prompt and response together at most (`ModelConfig.maxPositions`)
 * @param model its name for people
 * @throws ConfigurationError that names the setting to change: the model, the longest response, or the number of rounds
 */
export async function checkRoom(
  config: RunConfig,
  task: Task,
  tokenizer: Pick<ChatTokenizer, 'encodeChat'>,
  context: number,
  model: string,
): Promise<void> {
  // In the compact dialect prompts are a line, and a response may always be shorter than it may be long.
  if (task.dialect !== 'chat') return;
  const { maxTokens } = config.sampling;
  const problems = problemsOf(config, task);
  const shortest = await shortestOver(problems, context - maxTokens, tokenizer, (problem) => task.solvePrompt(problem));
  if (shortest >= context) {
    throw new ConfigurationError(
      'model',
      `the shortest of ${problems.length} problems takes ${shortest} tokens, and ${model} reads ${context}; choose a model with a longer context or shorter problems`,
    );
  }
  if (shortest + maxTokens > context) {
    throw new ConfigurationError(
      'sampling.maxTokens',
      `${model} has room for ${context} tokens, the shortest prompt takes ${shortest}: no response of ${maxTokens} fits; ` +
        `choose at most ${context - shortest}, or a model with a longer context`,
    );
  }
  if (needOf(config).tracks.revise === 0) return;
  const revision = await shortestOver(problems, context - 1, tokenizer, (problem) =>
    task.revisePrompt(problem, '.', '.'),
  );
  if (revision < context) return;
  // Recipes whose roles always read each other have no rounds to leave out.
  const rounds = 'rounds' in config;
  throw new ConfigurationError(
    rounds ? 'rounds' : 'model',
    `the shortest prompt of a revision takes ${revision} tokens without any response in it, and ${model} reads ${context}; ` +
      `choose ${rounds ? 'rounds=1, ' : ''}a model with a longer context or shorter problems`,
  );
}

/** What the first iteration and the evaluation ask. */
function problemsOf(config: RunConfig, task: Task): Problem[] {
  const { evaluationProblems, trainProblems, seed, problems } = config;
  const training = task.problems('train', trainProblems, seed, problems === 'fresh' ? 1 : 0);
  return [...task.problems('evaluation', evaluationProblems, seed), ...training];
}

/** Tokens of the first prompt that has at most `enough` of them, else of the shortest: most runs ask for one only. */
async function shortestOver(
  problems: readonly Problem[],
  enough: number,
  tokenizer: Pick<ChatTokenizer, 'encodeChat'>,
  prompt: (problem: Problem) => ChatMessage[],
): Promise<number> {
  let shortest = Infinity;
  for (const problem of problems) {
    shortest = Math.min(shortest, (await tokenizer.encodeChat(prompt(problem), true)).length);
    if (shortest <= enough) break;
  }
  return shortest;
}
