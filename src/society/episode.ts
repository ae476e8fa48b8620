/** Episodes as they grow: agents speak, turns are voted on. Everything that a recipe does with a problem is made of these two. */
import type { Episode, GroupKey, Turn, Verdict } from '../events';
import { LOGPROB_SCALE, MARGIN_SCALE, packNumbers } from '../pack';
import { drawInt, type DrawName } from '../random';
import type { Answer, Asking, DrawWords, MixtureShare, Question, Sampling } from '../runtimes/types';
import type { Task, Ungraded } from '../tasks/types';
import { asksForAnswer, CHECKER, promptOf } from './prompts';
import { clusterAnswers, majorityVote, type Equal, type TieBreak } from './vote';

/** A turn before it is spoken. */
export interface PlannedTurn extends Pick<Turn, 'call' | 'kind' | 'agent' | 'seat' | 'layer' | 'parents'> {
  adapter: string | null;
  /** Several adapters instead; `adapter` is null then. */
  mixture?: MixtureShare[];
  draw: DrawWords;
  sampling?: Partial<Sampling>;
  /** The response, given instead of sampled. */
  given?: string;
}

/** Episodes in which nobody has spoken yet, one a problem. */
export function openEpisodes(group: GroupKey, problems: readonly Ungraded[]): Episode[] {
  return problems.map(({ id }) => ({ type: 'episode', ...group, problem: id, turns: [], verdicts: [] }));
}

/**
 * Asks for planned turns of all episodes at once (problem-major) and adds them. Turns that read each other need a call each.
 * @param problems in the order of the episodes
 * @returns for each episode the indices of its new turns
 */
export async function speak(
  runtime: Asking,
  task: Task,
  problems: readonly Ungraded[],
  episodes: readonly Episode[],
  plan: (episode: Episode, at: number) => PlannedTurn[],
): Promise<number[][]> {
  const plans = episodes.map(plan);
  const questions = plans.flatMap((planned, at) => planned.map((turn) => asked(task, problems, episodes, at, turn)));
  const answers = (questions.length > 0 ? await runtime.ask(questions) : []).values();
  return plans.map((planned, at) =>
    planned.map((turn) => {
      const { turns } = episodes[at] as Episode;
      turns.push(spoken(task, turn, answers.next().value as Answer));
      return turns.length - 1;
    }),
  );
}

/**
 * The majority of some turns, added to the episode's verdicts.
 * @param of indices of turns
 * @param tie how ties are broken
 */
export function vote(episode: Episode, of: number[], equal: Equal, tie: TieBreak): Verdict {
  const answers = of.map((at) => episode.turns[at]?.answer ?? null);
  const { answer, count, tied } = majorityVote(answers, equal, tie);
  const distinct = clusterAnswers(answers, equal).length;
  const verdict = { by: 'vote', of, answer, count, tied, distinct, joined: joined(episode, answer, equal) };
  episode.verdicts.push(verdict);
  return verdict;
}

/** What a program that knows the true answer says of some turns, added to the episode's verdicts. Scores are 1 for right, 0 for wrong. */
export function checked(episode: Episode, of: number[], gold: string, equal: Equal): Verdict {
  const right = (answer: string | null | undefined) => typeof answer === 'string' && equal(answer, gold);
  const verdict = { by: CHECKER, of, answer: gold, scores: of.map((at) => (right(episode.turns[at]?.answer) ? 1 : 0)) };
  episode.verdicts.push(verdict);
  return verdict;
}

/** Who settles on an answer by chance. */
export const DRAW = 'draw';

/**
 * The answer of one of some turns, drawn among those that can be read, added to the episode's verdicts.
 * @param name of the draw
 */
export function drawn(episode: Episode, of: number[], equal: Equal, name: DrawName): Verdict {
  const readable = of.flatMap((at) => episode.turns[at]?.answer ?? []);
  const answer = readable[drawInt(name, 0, readable.length)] ?? null;
  const verdict = { by: DRAW, of, answer, joined: joined(episode, answer, equal) };
  episode.verdicts.push(verdict);
  return verdict;
}

/** All turns so far with this answer. */
function joined({ turns }: Episode, answer: string | null, equal: Equal): number[] {
  return turns.flatMap((turn, at) =>
    answer !== null && typeof turn.answer === 'string' && equal(answer, turn.answer) ? [at] : [],
  );
}

/** The last vote of an episode. */
export function lastVote({ verdicts }: Pick<Episode, 'verdicts'>): Verdict | null {
  return verdicts.findLast(({ by }) => by === 'vote') ?? null;
}

/** Has a turn the answer that a verdict settled on? A log that does not say who joined is asked by its answers. */
export function joins(episode: Episode, verdict: Verdict, turn: number, equal: Equal): boolean {
  if (verdict.joined) return verdict.joined.includes(turn);
  if (verdict.by === CHECKER && verdict.scores) return verdict.scores[verdict.of.indexOf(turn)] === 1;
  const answer = episode.turns[turn]?.answer;
  const { answer: winner } = verdict;
  return typeof answer === 'string' && typeof winner === 'string' && (answer === winner || equal(winner, answer));
}

/** Indices of the turns of a layer that give an answer, in order of their seats. */
export function answersOf({ turns }: Pick<Episode, 'turns'>, layer: number): number[] {
  return turns.flatMap((turn, at) => (turn.layer === layer && turn.answer !== undefined ? [at] : []));
}

/** What each seat answered in a layer, beside its answer in the layer before; seats that answered in one of them alone are left out. */
export function revisedAnswers({ turns }: Pick<Episode, 'turns'>, layer: number): { before: Turn; after: Turn }[] {
  const said = (of: number): Turn[] => answersOf({ turns }, of).map((turn) => turns[turn] as Turn);
  const earlier = new Map(said(layer - 1).map((turn) => [turn.seat, turn]));
  return said(layer).flatMap((after) => {
    const before = earlier.get(after.seat);
    return before ? [{ before, after }] : [];
  });
}

/** Number of layers. */
export function layersOf({ turns }: Pick<Episode, 'turns'>): number {
  return turns.reduce((most, { layer }) => Math.max(most, layer + 1), 0);
}

function asked(
  task: Task,
  problems: readonly Ungraded[],
  episodes: readonly Episode[],
  at: number,
  { call, kind, agent, seat, layer, parents, adapter, mixture, draw, sampling, given }: PlannedTurn,
): Question {
  const episode = episodes[at] as Episode;
  const { purpose, learner, iteration, part, problem } = episode;
  return {
    at: { purpose, learner, iteration, problem, ...(part !== undefined && { part }) },
    call,
    kind,
    agent,
    seat,
    layer,
    adapter,
    draw,
    ...promptOf(task, problems[at] as Ungraded, episode, { kind, seat, parents }),
    ...(mixture && { mixture }),
    ...(sampling && { sampling }),
    ...(given !== undefined && { given }),
  };
}

function spoken(task: Task, { call, kind, agent, seat, layer, parents }: PlannedTurn, answer: Answer): Turn {
  const { text, finish, tokens, ids, logprobs, margins, shortened, runtime, seed } = answer;
  return {
    call,
    kind,
    agent,
    seat,
    layer,
    parents,
    text,
    // What was never sampled is unreadable, whatever a task makes of an empty text.
    ...(asksForAnswer(kind) && { answer: tokens === 0 ? null : task.extractAnswer(readable(task, answer)) }),
    finish,
    tokens,
    ...(ids && { ids: packNumbers(ids) }),
    ...(logprobs && { logprobs: packNumbers(logprobs, LOGPROB_SCALE) }),
    ...(margins && { margins: packNumbers(margins, MARGIN_SCALE) }),
    ...(shortened && { shortened }),
    ...(runtime !== undefined && { runtime }),
    ...(seed !== undefined && { seed }),
  };
}

/** Where a text in words was cut at its length limit, its last word may be half of one: "the answer is 12" of 125. A closed box stays. */
function readable({ dialect }: Task, { text, finish }: Answer): string {
  return dialect === 'chat' && finish === 'length' ? text.replace(/[\p{L}\p{N}.,:/$%-]+$/u, '') : text;
}
