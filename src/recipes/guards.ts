/**
 * Guards of a society against agreeing itself into nonsense, each a switch that is off unless it is asked for.
 *
 * - `guard.majority`: nobody learns from a problem on which no answer has more than half of the agents, in any reading of the paper. With
 *   less, a label is one opinion among several.
 * - `guard.ladder`: iteration l of L learns from the easiest l/L of its problems, so that labels are mostly right while agents are weak.
 *   Difficulty is the task's; tasks without one go by the length of the question. Ties are in the order of the problems.
 * - `guard.stop`: after a test the run ends where the agents agree more than in the best test so far and are right no more often: agreement
 *   rose without accuracy. It reads the true answers of held-out problems, so these tests are no longer blind. The agents stay as they are.
 *
 * The first is the usual filter of majority finetuning; the ladder and the stop are this lab's forms of what is known to help.
 */
import type { Episode, Measured } from '../events';
import { answersOf, lastVote, layersOf } from '../society/episode';
import type { Equal } from '../society/vote';
import type { Task, Ungraded } from '../tasks/types';
import { ConfigurationError } from './errors';
import { flag } from './readers';
import type { SettingTable } from './settings';

export interface Guarded {
  guard?: { majority?: boolean; ladder?: boolean; stop?: boolean };
}

export const STOP_GUARD = {
  'guard.stop': {
    reader: flag(),
    label: 'Guard: stop',
    line: 'Ends the run when agents agree more and are right no more often. It looks at true answers of held-out problems.',
    section: 'expert',
    absent: false,
  },
} as const satisfies SettingTable;

export const DATA_GUARDS = {
  'guard.majority': {
    reader: flag(),
    label: 'Guard: majority',
    line: 'Nobody learns from a problem on which no answer has more than half of the agents.',
    section: 'expert',
    absent: false,
  },
  'guard.ladder': {
    reader: flag(),
    label: 'Guard: easy to hard',
    line: 'Iteration l of L learns from the easiest l/L of its problems.',
    section: 'expert',
    absent: false,
  },
} as const satisfies SettingTable;

/** What a run that a guard ended says of itself in `measured`. */
export const STOPPED = 'stopped by the guard';

/** More than half of the agents. */
export function majorityOf(agents: number): number {
  return Math.floor(agents / 2) + 1;
}

/** The problems of iteration l of L that are learnt from, in their own order. */
export function laddered(
  { guard, iterations }: Guarded & { iterations: number },
  task: Pick<Task, 'difficulty'>,
  problems: readonly Ungraded[],
  iteration: number,
): readonly Ungraded[] {
  if (!guard?.ladder) return problems;
  const hard = problems.map((problem) => task.difficulty?.(problem) ?? problem.question.length);
  const order = problems.map((_, at) => at).sort((a, b) => (hard[a] as number) - (hard[b] as number) || a - b);
  const taken = new Set(order.slice(0, Math.ceil((problems.length * iteration) / iterations)));
  return problems.filter((_, at) => taken.has(at));
}

/** What a test says to the guard. */
export interface GuardedTest {
  /** Mean share of the seats that gave the winning answer of the last round. */
  consensus: number;
  /** Share of problems whose last vote is right. */
  accuracy: number;
}

/** @param episodes held-out ones that were voted on */
export function guardedTest(
  episodes: readonly Episode[],
  gold: ReadonlyMap<number, string>,
  equal: Equal,
): GuardedTest {
  let agreed = 0;
  let right = 0;
  for (const episode of episodes) {
    const { answer, count = 0 } = lastVote(episode) ?? {};
    const truth = gold.get(episode.problem);
    agreed += count / answersOf(episode, layersOf(episode) - 1).length;
    if (typeof answer === 'string' && truth !== undefined && equal(answer, truth)) right++;
  }
  return { consensus: agreed / episodes.length, accuracy: right / episodes.length };
}

/** Looks at one test after another. */
export class StopGuard {
  #best: GuardedTest | null = null;

  /** Is this the test after which to stop? */
  sees(test: GuardedTest): boolean {
    const best = this.#best;
    if (best && test.accuracy <= best.accuracy) return test.consensus > best.consensus;
    this.#best = test;
    return false;
  }

  /** The event of a run that it ended. */
  measured(iteration: number, { consensus, accuracy }: GuardedTest): Measured {
    const { consensus: before = 0, accuracy: had = 0 } = this.#best ?? {};
    const rounded = (value: number) => Math.round(value * 1e6) / 1e6;
    return {
      type: 'measured',
      iteration,
      learner: 'society',
      name: STOPPED,
      values: [
        { label: 'agreement in the best test', value: rounded(before) },
        { label: 'agreement in this test', value: rounded(consensus) },
        { label: 'accuracy in the best test', value: rounded(had) },
        { label: 'accuracy in this test', value: rounded(accuracy) },
      ],
    };
  }
}

/** @throws ConfigurationError where a guard would see no test after an iteration, or no vote that is a label */
export function checkGuards({
  guard,
  evaluate,
  labels,
}: Guarded & { evaluate?: { society?: string }; labels?: string }): void {
  if (guard?.majority && labels === 'random')
    throw new ConfigurationError('guard.majority', 'asks for votes, and labels=random asks nobody; use labels=vote');
  if (guard?.stop && evaluate?.society === 'last')
    throw new ConfigurationError('guard.stop', 'looks at the test after every iteration; use evaluate.society=every');
}
