/** The only place where gold is read: evaluation and the diagnostic of pseudo-labels. Nothing here feeds back. */
import type { EvaluationDone, MethodScore, PseudoLabels } from '../events';
import type { Problem, Task } from '../tasks/types';
import type { Debate } from './debate';
import { consensus, distinctAnswers, distinctTexts } from './diversity';
import { pseudoLabel } from './selection';

/**
 * Scores of a team on held-out problems. An unreadable answer is wrong and counted, never left out.
 * @param debates one a problem, in the order of `problems`; at least one round.
 */
export function gradeEvaluation(
  debates: readonly Debate[],
  problems: readonly Problem[],
  task: Task,
): Omit<EvaluationDone, 'type' | 'iteration' | 'team'> {
  const rounds = debates[0]?.responses.length ?? 0;
  const agents = debates[0]?.responses[0]?.length ?? 0;
  const slot = (round: number, agent: number) =>
    score(
      debates.map((debate) => debate.responses[round]?.[agent]?.answer ?? null),
      problems,
      task,
    );
  const vote = (round: number) =>
    score(
      debates.map((debate) => debate.votes[round]?.answer ?? null),
      problems,
      task,
    );
  const roundIndices = range(rounds);
  return {
    single: slot(0, 0),
    majority: vote(0),
    debate: vote(rounds - 1),
    perAgent: roundIndices.map((round) =>
      range(agents).map((agent) => {
        const { right, unreadable } = slot(round, agent);
        return { right, unreadable };
      }),
    ),
    consensus: roundIndices.map((round) => consensus(debates, round)),
    distinctAnswers: roundIndices.map((round) => distinctAnswers(debates, round, task.equal)),
    distinctTexts: distinctTexts(debates, 0),
  };
}

/** Precision of the last vote as a label, by number of agreeing agents (index = votes, 0 = nothing readable). */
export function gradePseudoLabels(
  debates: readonly Debate[],
  problems: readonly Problem[],
  task: Task,
  minimumVotes: number,
): Omit<PseudoLabels, 'type' | 'iteration' | 'team'> {
  const agents = debates[0]?.responses[0]?.length ?? 0;
  const byVotes = range(agents + 1).map((votes) => ({ votes, problems: 0, right: 0 }));
  let accepted = 0;
  let acceptedRight = 0;
  debates.forEach((debate, index) => {
    const vote = debate.votes.at(-1);
    const bin = byVotes[vote?.count ?? 0];
    const right = isRight(vote?.answer ?? null, problems[index], task) ? 1 : 0;
    if (bin) {
      bin.problems++;
      bin.right += right;
    }
    if ('label' in pseudoLabel(debate, minimumVotes)) {
      accepted++;
      acceptedRight += right;
    }
  });
  return { problems: debates.length, byVotes, accepted, acceptedRight };
}

function score(answers: (string | null)[], problems: readonly Problem[], task: Task): MethodScore {
  const correct = answers.map((answer, index) => (isRight(answer, problems[index], task) ? '1' : '0')).join('');
  return {
    right: correct.split('1').length - 1,
    unreadable: answers.filter((answer) => answer === null).length,
    n: answers.length,
    correct,
  };
}

function isRight(answer: string | null, problem: Problem | undefined, task: Task): boolean {
  return answer !== null && problem !== undefined && task.equal(answer, problem.gold);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
