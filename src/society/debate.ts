/**
 * Multiagent debate in synchronous rounds (Du et al. 2023; arXiv 2501.05707, Algorithm 1 lines 3 to 15): every agent
 * reads what the *others* said in the previous round, never what they say in this one.
 */
import type { LoggedResponse, LoggedSummary, Team, Vote } from '../events';
import type { DrawName } from '../random';
import type { ModelResponse, Question, Society } from '../recipes/types';
import type { ChatMessage, Task, Ungraded } from '../tasks/types';
import { TaskError } from '../tasks/errors';
import { shortenQuotes, type Quotes } from './quotes';
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
  /** summaries[m][n]: what agent n read in round m + 2; absent when no model summarises. */
  summaries?: LoggedSummary[][];
  /** Vote after each round. */
  votes: Vote[];
}

export interface DebateSettings {
  /** M */
  rounds: number;
  /** Names of the samples: stream and iteration; agent, problem and round are filled in. */
  draws: { stream: number; iteration: number };
  /** Let the base model summarise the others' responses before every round ≥ 2, with draws of this stream. */
  summaries?: { stream: number };
  /** Name of the tie-breaking draws; problem and round are filled in. */
  tieBreak: DrawName;
}

/**
 * Debates a chunk of problems together: one `ask` per round holds problems × agents questions (problem-major), and so does
 * the one for summaries before a round, where a model writes them.
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
    if (round > 1) await addSummaries(society, task, problems, debates, round, settings);
    const questions = problems.flatMap((problem, p) =>
      players.generators.map((_, agent): Question => {
        const held = debates[p] ?? { responses: [] };
        const quotes = round > 1 && quotesFor(task, held, agent, round);
        return {
          adapter: (round === 1 ? players.generators : players.critics)[agent] ?? null,
          messages: promptFor(task, problem, held, agent, round),
          name: { ...settings.draws, agent, problem: problem.id, round },
          ...(quotes && quoted(task, quotes, (texts) => revision(task, problem, held, round, texts))),
        };
      }),
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
 * Asks the base model for a summary per problem and agent: everybody reads the others, so everybody has one of their own. The
 * un-finetuned base writes them (as the paper's code does), so what a critic learns to read does not drift.
 */
async function addSummaries(
  society: Society,
  task: Task,
  problems: readonly Ungraded[],
  debates: Debate[],
  round: number,
  { summaries, draws }: DebateSettings,
): Promise<void> {
  if (!summaries) return;
  const questions = problems.flatMap((problem, p) => {
    const previous = debates[p]?.responses[round - 2] ?? [];
    return previous.map((_, agent): Question => {
      const others = previous.filter((_, slot) => slot !== agent).map(({ text }) => text);
      const prompt = ({ others: texts }: Quotes) => {
        if (!task.summarisePrompt) throw new TaskError(`task "${task.name}": has no prompt for a summary`);
        return task.summarisePrompt(
          problem,
          texts.map((text) => text ?? ''),
        );
      };
      const quotes = { others, own: null };
      return {
        adapter: null,
        messages: prompt(quotes),
        name: { stream: summaries.stream, iteration: draws.iteration, agent, problem: problem.id, round },
        ...quoted(task, quotes, prompt),
      };
    });
  });
  const answered = await society.ask(questions);
  const agents = questions.length / problems.length;
  debates.forEach((held, p) => {
    (held.summaries ??= []).push(answered.slice(p * agents, (p + 1) * agents).map(sampled));
  });
}

/**
 * What a slot was asked in a round (1..M): the problem alone, or the problem with its own previous answer and the summary
 * of the others' previous-round answers. A function of the log, so datasets can be rebuilt from it.
 * @param held rounds before `round` at least: responses[m][n], and the summaries where a model wrote them. Where it holds the
 * response as well, the texts are as long as they were when it was asked for.
 */
export function promptFor(task: Task, problem: Ungraded, held: Held, agent: number, round: number): ChatMessage[] {
  if (round === 1) return task.solvePrompt(problem);
  const quotes = quotesFor(task, held, agent, round);
  const kept = held.responses[round - 1]?.[agent]?.shortened;
  return revision(task, problem, held, round, kept ? shortenQuotes(quotes, kept) : quotes);
}

type Held = Pick<Debate, 'responses' | 'summaries'>;

/** What a slot reads in a round ≥ 2: the summary where a model wrote one, else all others. */
function quotesFor(task: Task, { responses, summaries }: Held, agent: number, round: number): Quotes {
  const previous = responses[round - 2] ?? [];
  const read = ({ answer, text }: LoggedResponse) => (task.dialect === 'compact' ? answer : text);
  const own = previous[agent];
  const summary = summaries?.[round - 2]?.[agent]?.text;
  const others = summary === undefined ? previous.filter((_, slot) => slot !== agent).map(read) : [summary];
  return { others, own: own ? read(own) : null };
}

function revision(task: Task, problem: Ungraded, held: Held, round: number, { others, own }: Quotes): ChatMessage[] {
  const summarised = held.summaries?.[round - 2] !== undefined;
  return task.revisePrompt(problem, own, summarised ? (others[0] ?? '') : task.summarise(others));
}

/** For the question: texts that may be cut. Final answers, what the compact dialect quotes, mean nothing when they are cut. */
function quoted(
  task: Task,
  quotes: Quotes,
  prompt: (quotes: Quotes) => ChatMessage[],
): Pick<Question, 'quotes'> | undefined {
  if (task.dialect === 'compact') return undefined;
  return {
    quotes: {
      others: quotes.others.map((text) => text ?? ''),
      own: quotes.own ?? '',
      messages: (kept) => prompt(shortenQuotes(quotes, kept)),
    },
  };
}

function logged(task: Task, response: ModelResponse): LoggedResponse {
  const { text, ...rest } = sampled(response);
  // What was never sampled is unreadable, whatever a task makes of an empty text.
  return { text, answer: response.tokens === 0 ? null : task.extractAnswer(readable(task, response)), ...rest };
}

/** Where a text in words was cut at its length limit, its last word may be half of one: "the answer is 12" of 125. A closed box stays. */
function readable({ dialect }: Task, { text, finish }: ModelResponse): string {
  return dialect === 'chat' && finish === 'length' ? text.replace(/[\p{L}\p{N}.,:/$%-]+$/u, '') : text;
}

function sampled({ text, finish, tokens, logprobs, margins, shortened }: ModelResponse): LoggedSummary {
  return {
    text,
    finish,
    tokens,
    logprobs: logprobs.map((value) => rounded(value, 1000)),
    margins: margins.map((value) => rounded(value, 100)),
    ...(shortened && { shortened }),
  };
}

/** Rounded to 1/scale. Rounding again changes nothing, which replaying a log relies on; + 0 turns −0 into 0. */
export function rounded(value: number, scale: number): number {
  return Math.round(value * scale) / scale + 0;
}
