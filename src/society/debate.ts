/**
 * Multiagent debate in synchronous rounds (Du et al. 2023; arXiv 2501.05707, Algorithm 1 lines 3 to 15): every agent
 * reads what the *others* said in the previous round, never what they say in this one.
 */
import type { LoggedResponse, Team, Vote } from '../events';
import type { DrawName } from '../random';
import type { ModelResponse, Question, Society } from '../recipes/types';
import type { ChatMessage, Task, Ungraded } from '../tasks/types';
import { majorityVote } from './vote';

/** Who sits in the N slots: slot n is played by generators[n] in round 1 and by critics[n] from round 2 on. */
export interface Players {
  team: Team;
  /** Adapter names, null = the base model. Length N. */
  generators: (string | null)[];
  /** Length N; not looked at when there is one round only. */
  critics: (string | null)[];
}

/** A finished debate of one problem. */
export interface Debate {
  problem: number;
  /** responses[m][n]: agent n in round m + 1. */
  responses: LoggedResponse[][];
  /** Vote after each round. */
  votes: Vote[];
}

export interface DebateSettings {
  /** M */
  rounds: number;
  /** Names of the samples: stream and iteration; agent, problem and round are filled in. */
  draws: { stream: number; iteration: number };
  /** Name of the tie-breaking draws; problem and round are filled in. */
  tieBreak: DrawName;
}

/**
 * Debates a chunk of problems together: one `ask` per round holds problems × agents questions (problem-major).
 * @returns one debate a problem, in order.
 */
export async function debate(
  society: Society,
  task: Task,
  problems: readonly Ungraded[],
  players: Players,
  settings: DebateSettings,
): Promise<Debate[]> {
  const debates: Debate[] = problems.map(({ id }) => ({ problem: id, responses: [], votes: [] }));
  for (let round = 1; round <= settings.rounds; round++) {
    const questions = problems.flatMap((problem, p) =>
      players.generators.map((_, agent): Question => ({
        adapter: (round === 1 ? players.generators : players.critics)[agent] ?? null,
        messages: promptFor(task, problem, debates[p]?.responses ?? [], agent, round),
        name: { ...settings.draws, agent, problem: problem.id, round },
      })),
    );
    const answered = await society.ask(questions);
    debates.forEach((held, p) => {
      const agents = players.generators.length;
      const responses = answered.slice(p * agents, (p + 1) * agents).map((response) => logged(task, response));
      held.responses.push(responses);
      held.votes.push(
        majorityVote(
          responses.map((response) => response.answer),
          task.equal,
          { ...settings.tieBreak, problem: held.problem, round },
        ),
      );
    });
  }
  return debates;
}

/**
 * What a slot was asked in a round (1..M): the problem alone, or the problem with its own previous answer and the summary
 * of the others' previous-round answers. A function of the log, so datasets can be rebuilt from it.
 * @param responses rounds before `round` at least: responses[m][n].
 */
export function promptFor(
  task: Task,
  problem: Ungraded,
  responses: readonly (readonly Pick<LoggedResponse, 'answer'>[])[],
  agent: number,
  round: number,
): ChatMessage[] {
  if (round === 1) return task.solvePrompt(problem);
  const previous = responses[round - 2] ?? [];
  const others = previous.filter((_, slot) => slot !== agent).map((response) => response.answer);
  return task.revisePrompt(problem, previous[agent]?.answer ?? null, task.summarise(others));
}

function logged(task: Task, response: ModelResponse): LoggedResponse {
  return {
    text: response.text,
    answer: task.extractAnswer(response.text),
    finish: response.finish,
    tokens: response.tokens,
    logprobs: response.logprobs.map((value) => rounded(value, 1000)),
    margins: response.margins.map((value) => rounded(value, 100)),
  };
}

/** Rounded to 1/scale. Rounding again changes nothing, which replaying a log relies on; + 0 turns −0 into 0. */
export function rounded(value: number, scale: number): number {
  return Math.round(value * scale) / scale + 0;
}
