/** The texts behind the examples of a data set, rebuilt from the log. */
import type { Episode, ExampleRef, TurnRef } from '../events';
import { TOKEN_WEIGHT_SCALE, unpackNumbers } from '../pack';
import type { FinetuneExample } from '../runtimes/types';
import { promptOf } from '../society/prompts';
import type { Task, Ungraded } from '../tasks/types';

export type { FinetuneExample };

/** Examples of a track, and for preferences which of them are compared. */
export interface Examples {
  examples: FinetuneExample[];
  pairs?: { chosen: number; rejected: number }[];
}

/**
 * Finetuning examples behind a data set: the prompt that the turn was given, and what it said, as the ids that were sampled. The loss is
 * on the completion only, so a critic is never trained to write the wrong first answer. A preference is two examples: the chosen one and,
 * behind it, the rejected one.
 * @param episodes those that the examples refer to
 * @param problems of the episodes, in any order
 * @returns in the order of the references; those to episodes or problems that are not there are left out
 */
export function examplesOf(
  task: Task,
  references: readonly ExampleRef[],
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
): Examples {
  const find = finder(task, episodes, problems);
  const examples: FinetuneExample[] = [];
  const pairs: { chosen: number; rejected: number }[] = [];
  for (const reference of references) {
    const chosen = find(reference, reference.prompt);
    const rejected = reference.rejected ? find(reference.rejected, reference.prompt) : null;
    if (!chosen || (reference.rejected && !rejected)) continue;
    const { weight, tokens } = reference;
    examples.push({
      ...chosen,
      ...(weight !== undefined && { weight }),
      ...(tokens !== undefined && { tokenWeights: unpackNumbers(tokens, TOKEN_WEIGHT_SCALE) }),
    });
    if (rejected) pairs.push({ chosen: examples.length - 1, rejected: examples.push(rejected) - 1 });
  }
  return references.some(({ rejected }) => rejected) ? { examples, pairs } : { examples };
}

/** Looks an example up by its turn. The prompt is that of another turn where one is given. */
export function finder(
  task: Task,
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
): (ref: TurnRef, prompt?: number) => FinetuneExample | null {
  const byProblem = new Map(episodes.map((episode) => [episode.problem, episode]));
  const questions = new Map(problems.map(({ id, question }) => [id, { id, question }]));
  return ({ problem: id, turn: at }, prompt = at) => {
    const episode = byProblem.get(id);
    const problem = questions.get(id);
    const turn = episode?.turns[at];
    const asked = episode?.turns[prompt];
    if (!episode || !problem || !turn || !asked) return null;
    const { messages } = promptOf(task, problem, episode, asked);
    // Ids of another runtime are those of its own tokenizer: its text is learnt.
    const own = turn.ids !== undefined && turn.runtime === undefined;
    const ids = own ? { ids: unpackNumbers(turn.ids as string) } : {};
    return { messages, completion: turn.text, ...ids, ...(turn.finish === 'length' && { cut: true as const }) };
  };
}
