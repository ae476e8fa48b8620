/** Small hand-made logs for the views' tests. */
import type { DebateHeld, EvaluationDone, LoggedResponse, RunEvent, Team, Vote } from '../../src/events';
import { resolveConfig } from '../../src/recipes/resolve';
import type { Problem, Split } from '../../src/tasks/types';

/** A response whose chain is `?#answer` (or `?` when unreadable), one token a character and a stop token. */
export function response(answer: string | null, text = answer === null ? '?' : `?#${answer}`): LoggedResponse {
  const tokens = text.length + 1;
  return {
    text,
    answer,
    finish: 'stop',
    tokens,
    logprobs: Array.from({ length: tokens }, () => -0.1),
    margins: Array.from({ length: tokens }, () => 3),
  };
}

export interface DebateSketch {
  problem: number;
  /** answers[m][n] */
  answers: (string | null)[][];
  votes: Vote[];
  purpose?: Split;
  team?: Team;
  iteration?: number;
}

export function debate({ problem, answers, votes, ...rest }: DebateSketch): DebateHeld {
  const responses = answers.map((round) => round.map((answer) => response(answer)));
  return { type: 'debate', purpose: 'train', team: 'society', iteration: 1, ...rest, problem, responses, votes };
}

export const won = (answer: string, count: number, tied = false): Vote => ({ answer, count, tied });

export function started(overrides: Record<string, string | number | boolean> = {}): RunEvent {
  const config = resolveConfig('arithmetic-tiny', overrides);
  return { type: 'run-started', format: 1, config, model: { name: 'm', hash: '00' }, engine: 'test' };
}

export function problems(gold: Record<number, string>, split: Split = 'train', iteration = 1): RunEvent {
  const list = Object.entries(gold).map(([id, answer]): Problem => ({
    id: Number(id),
    question: `q${id}`,
    gold: answer,
  }));
  return { type: 'problems', split, iteration, problems: list };
}

/** An evaluation of four problems by two agents in two rounds; outcomes as strings of '1' and '0'. */
export function evaluation(
  team: Team,
  iteration: number,
  [single, majority, debated]: [string, string, string],
): EvaluationDone {
  const score = (correct: string) => ({
    right: correct.split('1').length - 1,
    unreadable: 0,
    n: correct.length,
    correct,
  });
  return {
    type: 'evaluation',
    iteration,
    team,
    single: score(single),
    majority: score(majority),
    debate: score(debated),
    perAgent: [
      [
        { right: 1, unreadable: 0 },
        { right: 3, unreadable: 1 },
      ],
      [
        { right: 2, unreadable: 0 },
        { right: 4, unreadable: 0 },
      ],
    ],
    consensus: [0.5, 0.75],
    distinctAnswers: [1.75, 1.5],
    distinctTexts: 2,
  };
}
