/**
 * Multiagent finetuning (Subramaniam et al., arXiv 2501.05707), after the paper's Algorithm 1; comments quote its steps. Two
 * comparisons run beside it on the same problems: the untouched base (single sample, majority, debate) and, on request,
 * one model finetuned on its own majority answers.
 *
 * Gold answers leave this file's inputs only towards `gradeEvaluation` and `gradePseudoLabels`; everything inside the loop
 * gets problems without them.
 *
 * Names of draws (src/random.ts). Agent, problem and round are always those of the response, so N, the number of problems
 * and the chunk never shift another draw.
 * - Training: stream `sample` (society) and `baselineSample` (single model), iteration l.
 * - Evaluation: stream `evaluate`, iteration 0, for every team and every iteration: common random numbers. All methods answer
 *   the same problems with the same draws, so a paired difference holds less sampling noise, and a fresh adapter
 *   (B = 0) answers exactly as the base does, which is why iteration 0 is evaluated once.
 * - Summaries by the base model: streams `summarise` (training) and `summariseEvaluation` (iteration 0, as evaluation).
 * - Ties: stream `tieBreak`; the agent word holds the stream of the debate's samples.
 */
import type { OptimiserSettings } from '../engine/types';
import { DEFAULT_OPTIMISER } from '../engine/types';
import type { DatasetBuilt, DebateHeld, EvaluationDone, RunEvent, Team } from '../events';
import { STREAMS } from '../random';
import { makeBatches } from '../society/batches';
import { debate, promptFor, type Debate, type Players } from '../society/debate';
import { gradeEvaluation, gradePseudoLabels } from '../society/grading';
import { selectCritic, selectGenerator, selectMajority, type Selection } from '../society/selection';
import type { Problem, Split, Task, Ungraded } from '../tasks/types';
import { agentsOf, createAdapters, CRITIC, GENERATOR, playersOf, type Agent } from './agents';
import type { ExperimentConfig } from './config';
import { DivergenceError } from './errors';
import type { FinetuneExample, FinetuneTrack, Society } from './types';

interface Dataset {
  agent: Agent;
  selection: Selection;
  examples: FinetuneExample[];
}

interface Run {
  society: Society;
  task: Task;
  config: ExperimentConfig;
}

/**
 * Runs an experiment over a society and yields its log.
 * @throws DivergenceError when a loss is no longer finite.
 */
export async function* multiagentFinetuning(
  society: Society,
  task: Task,
  config: ExperimentConfig,
): AsyncGenerator<RunEvent, void, void> {
  const run: Run = { society, task, config };
  yield { type: 'run-started', format: 1, config, ...society.describe() };
  const heldOut = task.problems('evaluation', config.evaluationProblems, config.seed);
  yield { type: 'problems', split: 'evaluation', iteration: 0, problems: heldOut };
  yield* evaluate(run, playersOf('base', config), heldOut, 0);

  // "A^G_1..A^G_N ← A, A^C_1..A^C_N ← A": fresh adapters with B = 0 are copies of the base.
  const agents = agentsOf(config);
  await createAdapters(society, config, agents);

  // "for iteration l = 1..L"
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    yield { type: 'iteration-started', iteration };
    const drawn = config.problems === 'fresh' ? iteration : 0;
    const problems = task.problems('train', config.trainProblems, config.seed, drawn);
    if (iteration === 1 || drawn > 0) yield { type: 'problems', split: 'train', iteration, problems };

    // "for every x in D: y_1,n ← A^G_n(x); for m = 2..M: y_m,n ← A^C_n(x, summary of the others); ŷ ← majority vote"
    const debates = yield* holdDebates(run, 'train', playersOf('society', config), problems, iteration, config.rounds);
    yield* gradeLabels(run, 'society', debates, problems, iteration);
    // The single model answers every problem N times and votes: one round.
    const own = config.singleAgentBaseline
      ? yield* holdDebates(run, 'train', playersOf('single', config), problems, iteration, 1)
      : [];
    if (config.singleAgentBaseline) yield* gradeLabels(run, 'single', own, problems, iteration);

    // "D^G_n ← {(x, y_1,n) : y_1,n = ŷ}", "D^C_n ← w·D^C−_n + (1−w)·D^C+_n"
    const datasets = agents.map((agent) =>
      buildDataset(run, agent, agent.team === 'single' ? own : debates, problems, iteration),
    );
    for (const { agent, selection } of datasets) {
      yield { type: 'dataset', iteration, adapter: agent.adapter, ...selection } satisfies DatasetBuilt;
    }

    // "Â^G_n ← Finetune(A_n, D^G_n), Â^C_n ← Finetune(A_n, D^C_n)": from the current weights or, on request, from the base.
    if (config.startFrom === 'base') await createAdapters(society, config, agents);
    yield* finetune(run, datasets, iteration);

    // "A^G_n ← Â^G_n, A^C_n ← Â^C_n": adapters were trained in place. Held-out evaluation as in the paper's Algorithm 2.
    yield* evaluate(run, playersOf('society', config), heldOut, iteration);
    if (config.singleAgentBaseline) yield* evaluate(run, playersOf('single', config), heldOut, iteration);
  }
  yield { type: 'run-finished', iterations: config.iterations };
}

/** Debates in chunks; one event a problem, in order. */
async function* holdDebates(
  { society, task, config }: Run,
  purpose: Split,
  players: Players,
  problems: readonly Problem[],
  iteration: number,
  rounds: number,
): AsyncGenerator<DebateHeld, Debate[], void> {
  const draws = drawsOf(purpose, players.team, iteration);
  const tieBreak = { seed: config.seed, stream: STREAMS.tieBreak, iteration: draws.iteration, agent: draws.stream };
  const stream = purpose === 'evaluation' ? STREAMS.summariseEvaluation : STREAMS.summarise;
  const summaries = config.summary === 'base-model' ? { stream } : undefined;
  const held: Debate[] = [];
  for (let start = 0; start < problems.length; start += config.chunk) {
    const chunk = problems.slice(start, start + config.chunk).map(withoutGold);
    for (const one of await debate(society, task, chunk, players, { rounds, draws, tieBreak, summaries })) {
      held.push(one);
      yield { type: 'debate', purpose, team: players.team, iteration, ...one };
    }
  }
  return held;
}

function drawsOf(purpose: Split, team: Team, iteration: number): { stream: number; iteration: number } {
  if (purpose === 'evaluation') return { stream: STREAMS.evaluate, iteration: 0 };
  return { stream: team === 'single' ? STREAMS.baselineSample : STREAMS.sample, iteration };
}

async function* gradeLabels(
  { task, config }: Run,
  team: 'society' | 'single',
  debates: readonly Debate[],
  problems: readonly Problem[],
  iteration: number,
): AsyncGenerator<RunEvent, void, void> {
  yield { type: 'pseudo-labels', iteration, team, ...gradePseudoLabels(debates, problems, task, config.minimumVotes) };
}

function buildDataset(
  { task, config }: Run,
  agent: Agent,
  debates: readonly Debate[],
  problems: readonly Problem[],
  iteration: number,
): Dataset {
  const { seed, minimumVotes, criticShare } = config;
  const draw = { seed, stream: STREAMS.select, iteration, agent: agent.slot };
  const selection =
    agent.role === GENERATOR
      ? selectGenerator(debates, agent.slot, minimumVotes, task.equal)
      : agent.role === CRITIC
        ? selectCritic(debates, agent.slot, criticShare, minimumVotes, task.equal, draw)
        : selectMajority(debates, minimumVotes, task.equal);
  return { agent, selection, examples: examplesOf(task, selection, debates, problems) };
}

/**
 * Finetuning examples behind a dataset event: the prompt the slot was given in that round, and its response. The loss is on
 * the completion only, so a critic is never trained to write the wrong first answer.
 * @param debates those the selection was made from, in the order of `problems`.
 */
export function examplesOf(
  task: Task,
  selection: Pick<Selection, 'entries'>,
  debates: readonly Debate[],
  problems: readonly Ungraded[],
): FinetuneExample[] {
  const byProblem = new Map(debates.map((held, index) => [held.problem, { held, problem: problems[index] }]));
  return selection.entries.flatMap(({ problem: id, agent, round }) => {
    const found = byProblem.get(id);
    const response = found?.held.responses[round - 1]?.[agent];
    if (!found?.problem || !response) return [];
    const messages = promptFor(task, withoutGold(found.problem), found.held, agent, round);
    return [{ messages, completion: response.text, ...(response.finish === 'length' && { cut: true as const }) }];
  });
}

/** One job for all adapters: they share device batches, each with its own optimiser. */
async function* finetune(
  { society, config }: Run,
  datasets: readonly Dataset[],
  iteration: number,
): AsyncGenerator<RunEvent, void, void> {
  const { epochs, batchSize } = config.finetune;
  const tracks = datasets.map(({ agent, examples }): FinetuneTrack => {
    const name = { seed: config.seed, stream: STREAMS.shuffle, iteration, agent: agent.slot, problem: agent.role };
    return { adapter: agent.adapter, examples, batches: makeBatches(examples.length, epochs, batchSize, name) };
  });
  const steps = new Map(tracks.map((track) => [track.adapter, track.batches.length]));
  const longest = (team: string) =>
    Math.max(
      0,
      ...datasets.filter(({ agent }) => agent.team === team).map(({ agent }) => steps.get(agent.adapter) ?? 0),
    );

  for await (const event of society.finetune(tracks, optimiserOf(config, longest('society')))) {
    for (const team of ['society', 'single'] as const) {
      const own = event.tracks.filter((track) =>
        datasets.some(({ agent }) => agent.team === team && agent.adapter === track.adapter),
      );
      for (const { adapter, loss, gradNorm } of own) {
        if (Number.isFinite(loss) && Number.isFinite(gradNorm)) continue;
        throw new DivergenceError(
          `finetuning of ${adapter} diverged in iteration ${iteration}, step ${event.step}: lower finetune.lr`,
        );
      }
      if (own.length === 0) continue;
      yield { type: 'training-step', iteration, team, step: event.step, totalSteps: longest(team), tracks: own };
    }
  }
  for (const { adapter } of tracks) {
    const hash = await society.adapterHash(adapter);
    yield { type: 'adapter-updated', iteration, adapter, steps: steps.get(adapter) ?? 0, hash };
  }
}

/**
 * AdamW as configured. Warm-up steps are one number for the whole job, the configured share of the longest society track, so
 * that the society learns the same with and without the baseline beside it.
 */
function optimiserOf({ finetune: { lr, schedule, clip, warmup } }: ExperimentConfig, steps: number): OptimiserSettings {
  return { ...DEFAULT_OPTIMISER, lr, schedule, clip, warmupSteps: Math.round(warmup * steps) };
}

/** Held-out problems, answered by a whole team and graded. */
async function* evaluate(
  run: Run,
  players: Players,
  heldOut: readonly Problem[],
  iteration: number,
): AsyncGenerator<RunEvent, void, void> {
  const debates = yield* holdDebates(run, 'evaluation', players, heldOut, iteration, run.config.rounds);
  const scores = gradeEvaluation(debates, heldOut, run.task);
  yield { type: 'evaluation', iteration, team: players.team, ...scores } satisfies EvaluationDone;
}

function withoutGold({ id, question }: Ungraded): Ungraded {
  return { id, question };
}
