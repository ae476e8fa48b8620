/**
 * What EnsemW2S's models make of given texts: tokens of solutions (generation), or candidate answers (choice). Everything is read off the
 * turns of the log, rounded as they are there, so a resumed run computes the same weights.
 */
import type { Episode, GroupKey, Turn } from '../events';
import { LOGPROB_SCALE, MARGIN_SCALE, unpackNumbers } from '../pack';
import { STREAMS } from '../random';
import type { MixtureShare } from '../runtimes/types';
import { argmax, candidateShares, mixedShares } from '../society/boosting';
import { openEpisodes, speak, type PlannedTurn } from '../society/episode';
import { CHECKER } from '../society/prompts';
import type { Candidate, Graded, Task, Ungraded } from '../tasks/types';
import type { Config } from './ensemSettings';
import { chunksOf } from './steps';
import type { Draft, RunContext } from './types';

/** One adapter that reads; `place` is its own word in the names of readings. */
export interface Reader {
  agent: string;
  adapter: string | null;
  place: number;
}

/** One adapter of a teacher or a student, with its part in the mixture. */
export interface Part extends Reader {
  alpha: number;
}

/** A mixture's group of readings has this many places. */
const PLACES = 64;

/** The texts that are read for a problem: its solution, or its candidates in their order. */
export function textsOf(task: Task, problem: Graded, { branch }: Pick<Config, 'branch'>): string[] {
  if (branch === 'choice') return candidatesOf(task, problem).map(({ text }) => text);
  return [task.solution?.(problem) ?? task.stated(problem.gold)];
}

/** Candidate answers of a problem. */
export function candidatesOf(task: Task, problem: Graded): Candidate[] {
  return task.candidates?.(problem) ?? [];
}

/** The problem with its true answer: what makes solutions and candidates. */
export function withGold(gold: ReadonlyMap<number, string>, problem: Ungraded): Graded {
  return { ...problem, gold: gold.get(problem.id) ?? '' };
}

/**
 * Readers read the texts of problems; one event a problem. Turns are reader-major: reader r reads text c in turn r·C + c.
 * @param block tells the names of draws from those of another group that reads the same problems, 0..
 * @param judge adds a verdict to an episode, with its problem
 */
export async function* readTexts(
  { runtime, task, config, gold = new Map() }: RunContext<Config>,
  group: GroupKey,
  problems: readonly Ungraded[],
  readers: readonly Reader[],
  block: number,
  judge: (episode: Episode, problem: Graded) => void = () => {},
): AsyncGenerator<Draft, Episode[], void> {
  const read: Episode[] = [];
  const iteration = group.purpose === 'evaluation' ? 0 : group.iteration;
  for (const chunk of chunksOf(problems, config.chunk)) {
    const whole = chunk.map((problem) => withGold(gold, problem));
    const episodes = openEpisodes(group, chunk);
    await speak(runtime, task, chunk, episodes, ({ problem }, at) =>
      readers.flatMap(({ agent, adapter, place }) =>
        textsOf(task, whole[at] as Graded, config).map((given, c): PlannedTurn => ({
          call: `reading-${place}-${c}`,
          kind: 'reading',
          agent,
          seat: c,
          layer: 0,
          parents: [],
          adapter,
          draw: { stream: STREAMS.reading, iteration, agent: c, problem, round: place + PLACES * block },
          given,
        })),
      ),
    );
    for (const [at, episode] of episodes.entries()) {
      judge(episode, whole[at] as Graded);
      read.push(episode);
      yield episode;
    }
  }
  return read;
}

/** The truth about what was read, added to the episode: scores are 1 for the solution or the true candidate, 0 for others. */
export function markTruth(task: Task, { branch }: Pick<Config, 'branch'>) {
  return (episode: Episode, problem: Graded): void => {
    const of = episode.turns.map((_, at) => at);
    const candidates = branch === 'choice' ? candidatesOf(task, problem).map(({ answer }) => answer) : [problem.gold];
    const scores = of.map((at) => (task.equal(candidates[at] ?? '', problem.gold) ? 1 : 0));
    episode.verdicts.push({ by: CHECKER, of, answer: problem.gold, scores });
  };
}

/** The turn of the true text, by the checker's verdict; the first where it marks none. */
export function trueTurn({ verdicts }: Pick<Episode, 'verdicts'>): number {
  return Math.max(0, verdicts.find(({ by }) => by === CHECKER)?.scores?.indexOf(1) ?? 0);
}

/** What a mixture chooses among the candidates that its parts have read, added to the episode as a verdict of `by`. */
export function choose(task: Task, parts: readonly Part[], by: string) {
  return (episode: Episode, problem: Graded): void => {
    const candidates = candidatesOf(task, problem);
    const shares = mixedShares(
      parts.map(({ alpha }) => alpha),
      parts.map((_, t) => sharesOf(episode.turns.slice(t * candidates.length, (t + 1) * candidates.length))),
    );
    const scores = shares.map((share) => Math.round(share * 1e6) / 1e6);
    const answer = candidates[argmax(scores)]?.answer ?? null;
    episode.verdicts.push({ by, of: candidates.map((_, c) => c), answer, scores });
  };
}

/** Shares of the candidates to whoever read them, one turn each. */
function sharesOf(turns: readonly Turn[]): number[] {
  return candidateShares(turns.map((turn) => logprobsOf(turn).reduce((sum, logprob) => sum + logprob, 0)));
}

/** Log p of each token of a reading. */
export function logprobsOf({ logprobs = '' }: Pick<Turn, 'logprobs'>): number[] {
  return unpackNumbers(logprobs, LOGPROB_SCALE);
}

/** Was each token of a reading another than the most probable one? */
export function wrongTokens({ margins = '' }: Pick<Turn, 'margins'>): boolean[] {
  return unpackNumbers(margins, MARGIN_SCALE).map((margin) => margin < 0);
}

/** Items of boosting as one reader found them: the tokens of all solutions, or the problems. */
export interface Findings {
  /** Its most probable token was another one; its most probable candidate was not the true one. */
  wrong: boolean[];
  /** Log p of the true token; of the true candidate among the candidates. */
  logprobs: number[];
}

/**
 * @param episodes readings by this reader
 * @param truth the same problems with the checker's verdict
 */
export function findings(
  episodes: readonly Episode[],
  truth: readonly Episode[],
  { branch }: Pick<Config, 'branch'>,
): Findings {
  if (branch === 'generation')
    return {
      wrong: episodes.flatMap(({ turns }) => turns.flatMap(wrongTokens)),
      logprobs: episodes.flatMap(({ turns }) => turns.flatMap(logprobsOf)),
    };
  const shares = episodes.map(({ turns }) => sharesOf(turns));
  const right = truth.map(trueTurn);
  return {
    wrong: shares.map((share, at) => argmax(share) !== right[at]),
    logprobs: shares.map((share, at) => Math.log(Math.max(Number.MIN_VALUE, share[right[at] ?? 0] ?? 0))),
  };
}

/** Who speaks for parts: the untouched model for none, one adapter, or a mixture. */
export function voiceOf(parts: readonly Part[]): { adapter: string | null; mixture?: MixtureShare[] } {
  if (parts.length <= 1) return { adapter: parts[0]?.adapter ?? null };
  return { adapter: null, mixture: parts.map(({ adapter, alpha }) => ({ adapter, weight: alpha })) };
}
