/** Who scores answers in the preference loop: the student, its teacher, and the judge of the win rate. Each leaves a verdict. */
import type { Episode } from '../events';
import { STREAMS } from '../random';
import { checked } from '../society/episode';
import { extremes, preference, ranked, rounded, STUDENT, voteCounts, VOTES } from '../society/preferences';
import { CHECKER } from '../society/prompts';
import { majorityVote } from '../society/vote';
import type { ScoreQuestion } from '../runtimes/types';
import type { Ungraded } from '../tasks/types';
import { finder } from './examples';
import { HUMAN, isTurned, scoresOf, type PickQuestion } from './human';
import type { Config } from './preferenceSettings';
import type { RunContext } from './types';

/** The majority of the untouched model's other samples, as a judge. */
const MAJORITY = 'untouched majority';
/** Σ log p under the untouched model, as a judge. */
const LIKELIHOOD = 'likelihood';

/** log p per token under a larger model, as a teacher. */
const LARGER = 'larger model';
/** Its adapter, which learns nothing. */
export const TEACHER = 'teacher';

/** Under which name a teacher's verdicts are in the log. */
export function verdictBy(teacher: Config['teacher']): string {
  return { vote: VOTES, human: HUMAN, model: LARGER, checker: CHECKER }[teacher];
}

/** The student's scores of all samples, and what it ranks them to. */
export async function screen(
  context: RunContext<Config>,
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
): Promise<void> {
  const turns = episodes.flatMap(({ problem, turns: all }) => all.map((_, turn) => ({ problem, turn })));
  const scores = (await rewardsOf(context, STUDENT, turns, episodes, problems)).values();
  for (const { turns: all, verdicts } of episodes) {
    const of = all.map((_, at) => at);
    const own = of.map(() => scores.next().value as number);
    verdicts.push({ by: STUDENT, of, scores: own, ranking: ranked(of, own) });
  }
}

/**
 * Scores by the student as it is now.
 * @param by its name in the log, where they become verdicts
 */
export async function rewardsOf(
  { runtime, task }: RunContext<Config>,
  by: string,
  turns: readonly { problem: number; turn: number }[],
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
): Promise<number[]> {
  if (!runtime.reward) throw new Error('this runtime gives no rewards, which a student needs');
  const scores = await runtime.reward(textsOf(task, by, STUDENT, turns, episodes, problems));
  return scores.map(rounded);
}

/**
 * The teacher's scores of the two texts that the student picked; none where it picked none. The checker: 1 for right, 0 for wrong or
 * unreadable. The vote: how many samples gave the answer. A larger model: the log-probability of a text by the token. A person: 1 for the
 * better of two, a half each without a difference.
 * @param which all: of every sample; a person is shown the first two that differ
 */
export async function teach(
  context: RunContext<Config>,
  episode: Episode,
  problems: readonly Ungraded[],
  which: 'two' | 'all' = 'two',
): Promise<void> {
  const { config, task, gold } = context;
  const { teacher } = config;
  const screened = episode.verdicts.find(({ by }) => by === STUDENT);
  const picked = screened && extremes(screened);
  const of = which === 'all' ? episode.turns.map((_, at) => at) : picked ? [picked.best, picked.worst] : [];
  if (of.length === 0) return;
  if (teacher === 'human') return compare(context, episode, problems, of);
  if (teacher === 'model') return rate(context, episode, problems, of);
  if (teacher === 'vote') episode.verdicts.push({ by: VOTES, of, scores: voteCounts(episode, of, task.equal) });
  else checked(episode, of, goldOf(gold, episode), task.equal);
}

/** A larger model scores turns of an episode. */
async function rate(
  { runtime, task }: RunContext<Config>,
  episode: Episode,
  problems: readonly Ungraded[],
  of: readonly number[],
): Promise<void> {
  if (!runtime.score) throw new Error('this runtime gives no log-probabilities, which the teacher needs');
  const turns = of.map((turn) => ({ problem: episode.problem, turn }));
  const texts = textsOf(task, LARGER, TEACHER, turns, [episode], problems);
  const scores = await runtime.score(texts.map((text) => ({ ...text, mean: true })));
  episode.verdicts.push({ by: LARGER, of: [...of], scores: scores.map(rounded) });
}

/** A person compares two turns of an episode: the first two of different texts among those that are given. */
async function compare(
  { config, human }: RunContext<Config>,
  episode: Episode,
  problems: readonly Ungraded[],
  of: readonly number[],
): Promise<void> {
  const text = (at: number) => episode.turns[at]?.text ?? '';
  const [first] = of;
  const second = of.find((at) => first !== undefined && text(at) !== text(first));
  if (first === undefined || second === undefined) return;
  const pair = pairFor(config.seed, episode, problems, [text(first), text(second)]);
  episode.verdicts.push({ by: HUMAN, of: [first, second], scores: scoresOf(await someone(human).pick(pair)) });
}

/**
 * A person compares an episode's first answer with the untouched model's. The verdict has the share of the first: 1, a half or 0. Equal
 * texts are a tie that nobody is asked about.
 */
export async function compareWith(
  { config, human }: RunContext<Config>,
  episode: Episode,
  problems: readonly Ungraded[],
  untouched: readonly Episode[],
): Promise<void> {
  const own = episode.turns[0]?.text ?? '';
  const other = untouched.find(({ problem }) => problem === episode.problem)?.turns[0]?.text ?? '';
  const pair = pairFor(config.seed, episode, problems, [own, other]);
  const pick = own === other ? 'neither' : await someone(human).pick(pair);
  episode.verdicts.push({ by: HUMAN, of: [0], scores: scoresOf(pick).slice(0, 1) });
}

function pairFor(
  seed: number,
  { purpose, learner, iteration, problem }: Episode,
  problems: readonly Ungraded[],
  texts: PickQuestion['texts'],
): PickQuestion {
  const at = { purpose, learner, iteration, problem };
  const question = problems.find(({ id }) => id === problem)?.question ?? '';
  return { at, question, texts, turned: isTurned(seed, at) };
}

function someone(human: RunContext['human']): NonNullable<RunContext['human']> {
  if (!human) throw new Error('nobody is there to compare answers');
  return human;
}

/**
 * What the judge makes of each episode's first answer.
 * @param untouched the untouched model's episodes of all held-out problems
 */
export async function judge(
  { config, runtime, task, gold }: RunContext<Config>,
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
  untouched: readonly Episode[],
): Promise<void> {
  if (config.judge === 'human') return;
  if (config.judge === 'checker') {
    for (const episode of episodes) checked(episode, [0], goldOf(gold, episode), task.equal);
    return;
  }
  if (config.judge === 'likelihood') {
    if (!runtime.score) throw new Error('this runtime gives no log-probabilities, which the judge needs');
    const turns = episodes.map(({ problem }) => ({ problem, turn: 0 }));
    const scores = await runtime.score(textsOf(task, LIKELIHOOD, null, turns, episodes, problems));
    episodes.forEach(({ verdicts }, at) =>
      verdicts.push({ by: LIKELIHOOD, of: [0], scores: [rounded(scores[at] as number)] }),
    );
    return;
  }
  for (const episode of episodes) {
    const { problem, turns, verdicts } = episode;
    const others = untouched.find((one) => one.problem === problem)?.turns.slice(1) ?? [];
    const tie = { seed: config.seed, stream: STREAMS.tieBreak, agent: STREAMS.evaluate, problem, round: 2 };
    const answers = others.map(({ answer = null }) => answer);
    const { answer } = majorityVote(answers, task.equal, tie);
    const own = turns[0]?.answer;
    const agrees = answer !== null && typeof own === 'string' && task.equal(answer, own);
    verdicts.push({ by: MAJORITY, of: [0], answer, scores: [agrees ? 1 : 0] });
  }
}

/** How often the judge prefers the first answers to those of the untouched model. */
export function winsOver(
  { config }: Pick<RunContext<Config>, 'config'>,
  episodes: readonly Episode[],
  untouched: readonly Episode[],
): { wins: number; ties: number; n: number } {
  let wins = 0;
  let ties = 0;
  for (const episode of episodes) {
    const other = untouched.find(({ problem }) => problem === episode.problem);
    // A person has compared the two; other judges scored each.
    const against = config.judge === 'human' ? 0.5 : other && judged(config, other);
    const better = against === undefined ? 0.5 : preference(judged(config, episode), against);
    if (better === 1) wins++;
    if (better === 0.5) ties++;
  }
  return { wins, ties, n: episodes.length };
}

/** The judge's score of an episode's first answer; a likelihood is per token, so that short answers have no advantage. */
function judged({ judge: judging }: Pick<Config, 'judge'>, { turns, verdicts }: Episode): number {
  const name = { vote: MAJORITY, checker: CHECKER, likelihood: LIKELIHOOD, human: HUMAN }[judging];
  const score = verdicts.find(({ by }) => by === name)?.scores?.[0] ?? 0;
  if (judging !== 'likelihood') return score;
  const tokens = turns[0]?.tokens ?? 0;
  return tokens === 0 ? -Infinity : score / tokens;
}

/** Mean tokens of the first answers, to two decimals; 0 without any. */
export function meanLength(episodes: readonly Episode[]): number {
  const tokens = episodes.reduce((sum, { turns }) => sum + (turns[0]?.tokens ?? 0), 0);
  return Math.round((100 * tokens) / Math.max(1, episodes.length)) / 100;
}

/** Turns as texts to score under the name of a judge. */
export function textsOf(
  task: RunContext['task'],
  by: string,
  adapter: string | null,
  turns: readonly { problem: number; turn: number }[],
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
): ScoreQuestion[] {
  const find = finder(task, episodes, problems);
  const keys = new Map(
    episodes.map(({ purpose, learner, iteration, problem }) => [problem, { purpose, learner, iteration, problem }]),
  );
  return turns.flatMap(({ problem, turn }): ScoreQuestion[] => {
    const text = find({ problem, turn });
    const at = keys.get(problem);
    if (!text || !at) return [];
    const { messages, completion, ids } = text;
    return [{ adapter, messages, completion, ...(ids && { ids }), of: { at, turn, by } }];
  });
}

function goldOf(gold: RunContext['gold'], { problem }: Episode): string {
  const truth = gold?.get(problem);
  if (truth === undefined) throw new Error(`problem ${problem} has no true answer, which the checker needs`);
  return truth;
}
