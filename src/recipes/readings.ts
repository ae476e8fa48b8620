/**
 * Three readings of multiagent finetuning (arXiv 2501.05707), for a society's setting `reading`:
 *
 * - `fixed`, ours: a label needs `minimumVotes`, ties are drawn, critics learn from last answers only and have the share w of corrections.
 * - `written`, Algorithm 1 of the paper: any winner of a vote is a label, also that of a tie, which a draw decides.
 * - `released`, the behaviour of the authors' code (vsubramaniam851/multiagent-ft, October 2024): any winner is a label, and in a tie the last one
 *   in lexicographic order wins (`eval_math.py`); a critic gets every C−, and after the k-th one the k-th C+ with probability ½, so w is not read
 *   (`ft_critic.py`); the loss is on every turn of the critic's conversation, so it learns the first answers too, wrong ones included
 *   (`lm_ft.py`); where a model summarises, agents speak one after another and later ones read what others said in the same round (`ft_gen.py`).
 *
 * A reading is of the whole run: the votes of the untouched model and of the single one beside the society follow it too, since a control under
 * other rules would be none.
 *
 * Of the code these are left out, since they make it fail or measure something else: the misspelt key of C+, the end of the program where C+ is
 * shorter than C−, the tests on training problems, the unreadable problems that tests skip, and one agent's data for all (its API path).
 */
import type { ExampleRef } from '../events';
import { drawUniform, type DrawName } from '../random';
import { DROPPED, type Selection } from '../society/selection';
import { majorityOf, type Guarded } from './guards';

export const READINGS = ['fixed', 'written', 'released'] as const;
export type Reading = (typeof READINGS)[number];

/** Votes that a label needs; a guard may ask for more than half of the agents in any reading. */
export function votesNeeded({
  reading,
  minimumVotes,
  agents,
  guard,
}: Guarded & { reading?: Reading; minimumVotes: number; agents: number }): number {
  const votes = reading === undefined || reading === 'fixed' ? minimumVotes : 1;
  return guard?.majority ? Math.max(votes, majorityOf(agents)) : votes;
}

/**
 * A critic's set as the released code builds it: every C−, and after the k-th one the k-th C+ with probability ½.
 * @param draw name of the draws; the problem of the C− is filled in
 */
export function releasedCritic({ examples, available, dropped }: Selection, draw: DrawName): Selection {
  const corrected = examples.filter(({ kind }) => kind === 'C-');
  const kept = examples.filter(({ kind }) => kind === 'C+');
  const taken = corrected.flatMap((example, k) => {
    const other = kept[k];
    return other && drawUniform({ ...draw, problem: example.problem }, 0) < 0.5 ? [example, other] : [example];
  });
  const left = examples.length - taken.length;
  const share = left > 0 ? [{ reason: DROPPED.share, count: left }] : [];
  return { examples: taken, available, dropped: [...dropped, ...share] };
}

/**
 * The examples and, before each, the turns that their seat had spoken before: with the loss on every turn these are learnt too.
 * @param earlier turns of the same seat before a turn, in order
 */
export function withEarlierTurns(selection: Selection, earlier: (example: ExampleRef) => readonly number[]): Selection {
  const examples = selection.examples.flatMap((example) => [
    ...earlier(example).map((turn): ExampleRef => ({ problem: example.problem, turn, kind: 'earlier' })),
    example,
  ]);
  return { ...selection, examples };
}
