/** Steps that recipes share: debates in chunks, votes as labels, data sets from fates, finetuning, evaluation. */
import { DEFAULT_OPTIMISER, type OptimiserSettings } from '../engine/types';
import type { DatasetBuilt, Episode, GroupKey, ObjectiveName } from '../events';
import { drawUint, STREAMS, type DrawName } from '../random';
import { makeBatches, makeSteps } from '../society/batches';
import { debate, type DebateSettings, type Player, type Players } from '../society/debate';
import { answersOf, lastVote, layersOf } from '../society/episode';
import { majorityVote } from '../society/vote';
import { pseudoLabel, type LabelSource, type Selection } from '../society/selection';
import type { Split, Ungraded } from '../tasks/types';
import { together } from '../society/together';
import type { Asking, FinetuneExample, FinetuneTrack, Runtime } from '../runtimes/types';
import type { RunConfig } from './config';
import { DivergenceError } from './errors';
import { examplesOf } from './examples';
import type { AnsweredMethod, Draft, RunContext } from './types';

/** An adapter that learns, with the coordinates of its own draws (role and slot are part of the name). */
export interface Learning {
  adapter: string;
  role: number;
  slot: number;
  /** It is a reward model: it carries a head. */
  head?: true;
}

/** Fresh adapters (B = 0 is a copy of the base), each from a seed of its own. */
export async function createAdapters(
  runtime: Runtime,
  { seed, adapter: config }: RunConfig,
  learning: readonly Learning[],
): Promise<void> {
  for (const { adapter, role, slot, head } of learning) {
    const name = { seed, stream: STREAMS.adapterInit, agent: slot, round: role };
    // 53 bits of a draw of its own, so adapters differ and adding agents changes none of the others.
    const own = drawUint(name, 0) + (drawUint(name, 1) >>> 11) * 2 ** 32;
    await runtime.createAdapter(adapter, head ? { ...config, head } : config, own);
  }
}

/** N seats played by one player. */
export function everySeat(seats: number, player: Player): Player[] {
  return Array.from({ length: seats }, () => player);
}

export interface DebateStep {
  purpose: Split;
  iteration: number;
  problems: readonly Ungraded[];
  rounds: number;
  /** Stream of the training samples; held-out problems have their own. */
  stream: number;
  /** The base model summarises before every round ≥ 2. */
  summaries?: boolean;
  /** Stream of their draws in training; default: that of all debates in training. */
  summaryStream?: number;
  /** Whom a seat reads before it revises. */
  reads?: DebateSettings['reads'];
  /** Ties as the authors' code breaks them, and agents in turn where a model summarises (`readings.ts`). */
  released?: boolean;
  /** Tells the group from another one of the same learner and iteration. */
  part?: string;
  /** Seats are samples of agent n of N alone: sample k has the draws of agent n + N·k, so the first is what n says in a society. */
  alone?: { agent: number; of: number };
}

/**
 * Debates in chunks; one event a problem, in order. All evaluations use one name of draws, iteration 0: common random numbers. All
 * methods answer the same problems with the same draws, so a paired difference holds less sampling noise, and a fresh adapter answers
 * exactly as the base does, which is why iteration 0 is evaluated once.
 * @param judge adds a verdict of its own
 */
export async function* holdDebates(
  context: RunContext,
  players: Players,
  {
    purpose,
    iteration,
    problems,
    rounds,
    stream,
    summaries,
    summaryStream = STREAMS.summarise,
    reads,
    released,
    part,
    alone,
  }: DebateStep,
  judge: (episode: Episode) => void = () => {},
): AsyncGenerator<Draft, Episode[], void> {
  const { task, config } = context;
  const testing = purpose === 'evaluation';
  const own = alone && { agentOf: (sample: number) => alone.agent + alone.of * sample };
  const draws = testing ? TEST_DRAWS : { stream, iteration, ...own };
  const settings = {
    rounds,
    draws,
    ...(released ? { tieBreak: 'last' as const, inTurn: true } : { tieBreak: tieBreakOf(config, draws) }),
    ...(reads && { reads }),
    ...(summaries && { summaries: { stream: testing ? STREAMS.summariseEvaluation : summaryStream } }),
  };
  const group: GroupKey = { purpose, learner: players.learner, iteration, ...(part !== undefined && { part }) };
  const held: Episode[] = [];
  const play = (chunk: readonly Ungraded[], asking: Asking): Promise<Episode[]> =>
    debate(asking, task, group, chunk, players, settings);
  for await (const episodes of playChunks(context, problems, rounds > 1, play)) {
    for (const episode of episodes) {
      judge(episode);
      held.push(episode);
      yield episode;
    }
  }
  return held;
}

/** Draws of all tests. */
export const TEST_DRAWS = { stream: STREAMS.evaluate, iteration: 0 } as const;

/** Name of the draws that break ties among answers with these draws; problem and round are filled in. */
export function tieBreakOf(
  { seed }: RunConfig,
  { stream, iteration }: { stream: number; iteration: number },
): DrawName {
  return { seed, stream: STREAMS.tieBreak, iteration, agent: stream };
}

/**
 * The majority of the first `count` first answers, as `holdDebates` would have voted on them alone: ties have the same draws.
 * @param episodes of held-out problems
 */
export function majorityOfFirst(
  { task, config }: Pick<RunContext, 'task' | 'config'>,
  method: string,
  episodes: readonly Episode[],
  count: number,
): AnsweredMethod {
  const turnsOf = (episode: Episode) => answersOf(episode, 0).slice(0, count);
  const answers = episodes.map((episode) => {
    const said = turnsOf(episode).map((at) => episode.turns[at]?.answer ?? null);
    const name = { ...tieBreakOf(config, TEST_DRAWS), problem: episode.problem, round: 1 };
    return majorityVote(said, task.equal, name).answer;
  });
  return { method, turns: episodes[0] ? turnsOf(episodes[0]) : [], answers };
}

/**
 * Chunks at work together. A call ends with its slowest response, and rows that others have left stand idle until then: the more questions a call
 * has, the less that is. More chunks would be lost with a crash.
 */
const CHUNKS_TOGETHER = 4;

/**
 * Plays chunks of problems and yields what comes of each, in order. Several are at work together, unless somebody follows what is asked: draws have
 * names, so what is asked in one call changes no answer.
 * @param again a chunk is asked more than once: others begin beside its later questions
 */
export function playChunks<T>(
  { runtime, config }: Pick<RunContext, 'runtime' | 'config'>,
  problems: readonly Ungraded[],
  again: boolean,
  play: (chunk: Ungraded[], asking: Asking) => Promise<T>,
): AsyncGenerator<T, void, void> {
  const most = (): number => (runtime.followed ? 1 : CHUNKS_TOGETHER);
  const newcomers = again ? CHUNKS_TOGETHER / 2 : CHUNKS_TOGETHER;
  return together(runtime, chunksOf(problems, config.chunk), { most, newcomers, first: 1 }, play);
}

/** Parts of at most `size` problems, in order. */
export function* chunksOf(problems: readonly Ungraded[], size: number): Generator<Ungraded[], void, void> {
  for (let start = 0; start < problems.length; start += size) yield problems.slice(start, start + size);
}

/** An iteration begins: its training problems, which are those of the one before unless the run draws fresh ones. */
export async function* beginIteration(
  { config, problems }: RunContext,
  iteration: number,
  before: readonly Ungraded[],
): AsyncGenerator<Draft, readonly Ungraded[], void> {
  yield { type: 'iteration-started', iteration };
  const drawn = config.problems === 'fresh' ? iteration : 0;
  return iteration === 1 || drawn > 0 ? yield* problems('train', config.trainProblems, iteration, drawn) : before;
}

/** The last votes as labels, for the diagnostic of their precision. */
export function labelsOf(
  episodes: readonly Episode[],
  iteration: number,
  minimumVotes: number,
  by: LabelSource = 'vote',
): Draft {
  const first = episodes[0];
  return {
    type: 'labels',
    iteration,
    learner: first?.learner ?? '',
    voters: (first && lastVote(first)?.of.length) ?? 0,
    labels: episodes.map((episode) => {
      const vote = lastVote(episode);
      const label = pseudoLabel(episode, minimumVotes, by);
      const accepted = 'label' in label;
      // A label by the draw has the votes of its own answer, not the winner's.
      const joined = by === 'random' && accepted ? (label.label.joined ?? []) : null;
      const count = joined && vote ? vote.of.filter((at) => joined.includes(at)).length : (vote?.count ?? 0);
      const answer = (accepted ? label.label.answer : vote?.answer) ?? null;
      return { problem: episode.problem, answer, votes: count, accepted };
    }),
  };
}

/** What an adapter learns from in a job. */
export interface BuiltDataset extends Learning {
  selection: Selection;
  /** Those that its examples refer to, of one group. */
  episodes: readonly Episode[];
  /** Preferences: adapter that is the reference; absent = the base, its own name = itself as the job begins. */
  reference?: string;
  /** Exactly so many optimiser steps; absent = the configured epochs. */
  steps?: number;
}

export interface FinetuneStep {
  /** Name of the job, once in a run. */
  job: string;
  iteration: number;
  datasets: readonly BuiltDataset[];
  problems: readonly Ungraded[];
  /** Default: the plain loss on the examples. */
  objective?: ObjectiveName;
  /** Adapters whose longest track sets the number of warm-up steps; default all. */
  warmupOver?: readonly string[];
  /** Weights that the adapters begin with; default: those they have. */
  startFrom?: 'current' | 'base';
}

/**
 * The data sets of a job as events, and then its training: all adapters share device batches, each with its own optimiser.
 * @throws DivergenceError when a loss is no longer finite
 */
export async function* finetune(
  context: RunContext,
  { job, iteration, datasets, problems, objective = { kind: 'sft' }, warmupOver, startFrom }: FinetuneStep,
): AsyncGenerator<Draft, void, void> {
  const { runtime, task, config, frozen } = context;
  const built = datasets.map((one) => ({ ...one, selection: withoutFrozen(one, frozen) }));
  for (const { adapter, selection, episodes } of built) {
    yield datasetEvent(job, iteration, adapter, objective, selection, episodes);
  }
  const learning = built.filter(({ adapter }) => !frozen?.has(adapter));
  if (startFrom === 'base') await createAdapters(runtime, config, learning);
  const { epochs, batchSize } = config.finetune;
  const tracks = learning.map(({ adapter, role, slot, selection, episodes, reference, steps }): FinetuneTrack => {
    const built = examplesOf(task, selection.examples, episodes, problems);
    const { pairs } = built;
    const examples = objective.kind === 'kto' ? built.examples.map(asDesirable) : built.examples;
    const name = { seed: config.seed, stream: STREAMS.shuffle, iteration, agent: slot, problem: role };
    const count = pairs?.length ?? examples.length;
    const batches =
      steps === undefined ? makeBatches(count, epochs, batchSize, name) : makeSteps(count, steps, batchSize, name);
    return { adapter, examples, batches, ...(pairs && { pairs }), ...(reference !== undefined && { reference }) };
  });
  const counted = tracks.filter(({ adapter }) => warmupOver?.includes(adapter) ?? true);
  const longest = Math.max(0, ...counted.map(({ batches }) => batches.length));
  const optimiser = optimiserOf(config, longest);
  for await (const event of runtime.train({ job, iteration, objective, tracks, optimiser })) {
    for (const { adapter, loss, gradNorm } of event.tracks) {
      if (Number.isFinite(loss) && Number.isFinite(gradNorm)) continue;
      throw new DivergenceError(
        `finetuning of ${adapter} diverged in iteration ${iteration}, step ${event.step}: lower finetune.lr`,
      );
    }
    yield { type: 'training-step', iteration, job, ...event };
  }
  for (const { adapter, batches } of tracks) {
    const hash = await runtime.adapterHash(adapter, job);
    yield { type: 'adapter', iteration, adapter, hash, from: { job, steps: batches.length } };
  }
}

/** An agent that another runtime plays learns nothing: its data set says why, and how many examples that concerns. */
function withoutFrozen({ adapter, selection }: BuiltDataset, frozen: RunContext['frozen']): Selection {
  const reason = frozen?.get(adapter);
  if (reason === undefined) return selection;
  const { examples, available, dropped } = selection;
  return { examples: [], available, dropped: [...dropped, { reason, count: examples.length }] };
}

/** KTO reads whether a text is wanted, and weighs all alike. */
function asDesirable({ weight = 1, ...example }: FinetuneExample): FinetuneExample {
  return { ...example, desirable: weight > 0 };
}

function datasetEvent(
  job: string,
  iteration: number,
  adapter: string,
  objective: ObjectiveName,
  selection: Selection,
  episodes: readonly Episode[],
): DatasetBuilt {
  const { purpose = 'train', learner = adapter, part } = episodes[0] ?? {};
  const from: GroupKey = { purpose, learner, iteration, ...(part !== undefined && { part }) };
  return { type: 'dataset', iteration, job, adapter, objective, from, ...selection };
}

/** AdamW as configured. Warm-up steps are one number for the whole job. */
function optimiserOf({ finetune: { lr, schedule, clip, warmup } }: RunConfig, steps: number): OptimiserSettings {
  return { ...DEFAULT_OPTIMISER, lr, schedule, clip, warmupSteps: Math.round(warmup * steps) };
}

/**
 * Answers of debates on held-out problems as methods: seat 0's first answer, the first vote, and the last vote.
 * @param methods keys of those that the recipe has
 * @param samples further methods: the vote of another group of the same problems
 */
export function evaluation(
  episodes: readonly Episode[],
  iteration: number,
  { single, majority, debate: last }: { single: string; majority?: string; debate?: string },
  samples: readonly { method: string; episodes: readonly Episode[] }[] = [],
): Draft {
  const first = episodes[0];
  const layers = first ? layersOf(first) : 0;
  const voted = (layer: number) =>
    episodes.map(
      (episode) =>
        episode.verdicts.find(({ of }) => of.every((at) => episode.turns[at]?.layer === layer))?.answer ?? null,
    );
  const turnsOf = (layer: number) => (first ? answersOf(first, layer) : []);
  const methods: AnsweredMethod[] = [
    { method: single, turns: [0], answers: episodes.map(({ turns }) => turns[0]?.answer ?? null) },
  ];
  if (majority !== undefined) methods.push({ method: majority, turns: turnsOf(0), answers: voted(0) });
  if (last !== undefined) methods.push({ method: last, turns: turnsOf(layers - 1), answers: voted(layers - 1) });
  for (const { method, episodes: others } of samples) {
    const turns = others[0]?.turns.map((_, at) => at) ?? [];
    methods.push({ method, turns, answers: others.map((episode) => lastVote(episode)?.answer ?? null) });
  }
  const group = { purpose: 'evaluation' as const, learner: first?.learner ?? '', iteration };
  return { type: 'evaluate', iteration, learner: group.learner, group, methods };
}
