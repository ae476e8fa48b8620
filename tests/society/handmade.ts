/** Debates written by hand. */
import type { LoggedResponse, Vote } from '../../src/events';
import type { Debate } from '../../src/society/debate';
import { majorityVote } from '../../src/society/vote';

export const same = (a: string, b: string) => a === b;

export function response(answer: string | null, text = `#${answer ?? ''}`): LoggedResponse {
  return { text, answer, finish: 'stop', tokens: 2, logprobs: [0, 0], margins: [1, 1] };
}

/** `rounds[m][n]`: answers; the votes follow from them (ties by draws of seed 1). */
export function heldDebate(problem: number, ...rounds: (string | null)[][]): Debate {
  return {
    problem,
    responses: rounds.map((answers) => answers.map((answer) => response(answer))),
    votes: rounds.map((answers, m): Vote => majorityVote(answers, same, { seed: 1, stream: 4, problem, round: m + 1 })),
  };
}
