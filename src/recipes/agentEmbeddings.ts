/**
 * Embedding dissimilarity of a society's generators, on request after each of its tests (`measure.embeddings`): the mean cosine distance between
 * the first answers to a held-out problem. arXiv 2501.05707 measures diversity so (section 4.3), with the embeddings of a T5 model; here an
 * embedding is the untouched model's mean hidden state over prompt and answer. Nothing is learnt from it. The distances are in the log
 * (`judged`), one an answer, so a resumed run reads them there.
 */
import type { Episode, GroupKey } from '../events';
import { answersOf } from '../society/episode';
import type { Ungraded } from '../tasks/types';
import { textsOf } from './preferenceJudges';
import { isSaboteur } from './societyCast';
import type { Config } from './societySettings';
import type { Draft, RunContext } from './types';

/** Under whose name the distances are in the log. */
const BY = 'embedding dissimilarity';

/** @param episodes held-out ones of the society, whose first answers are compared */
export async function* measureEmbeddings(
  { config, runtime, task }: RunContext<Config>,
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  if (!runtime.dissimilarity) throw new Error('this runtime gives no embeddings, which measure.embeddings needs');
  const turns = episodes.flatMap((episode) =>
    answersOf(episode, 0)
      .filter((turn) => !isSaboteur(episode.turns[turn]!.seat, config))
      .map((turn) => ({ problem: episode.problem, turn })),
  );
  if (turns.length === 0) return;
  const found = await runtime.dissimilarity(textsOf(task, BY, null, turns, episodes, problems));
  // As in the log, so a resumed run measures the same.
  const scores = found.map((one) => Number(one.toFixed(6)));
  const from: GroupKey = { purpose: 'evaluation', learner: 'society', iteration };
  yield { type: 'judged', iteration, by: BY, from, turns, scores };
  const value = Number((scores.reduce((sum, one) => sum + one, 0) / scores.length).toFixed(6));
  const label = 'mean cosine distance of two answers';
  yield { type: 'measured', iteration, learner: 'society', name: BY, values: [{ label, value }] };
}
