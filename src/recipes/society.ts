/**
 * The loop of multiagent finetuning (Subramaniam et al., arXiv 2501.05707), after the paper's Algorithm 1; comments quote its steps. The
 * method itself and its controls are variants of it, a few lines each: they differ in who sits where, in whose examples an adapter
 * learns from, and in where the label comes from. Two comparisons run beside every variant on the same problems: the untouched base
 * (single sample, majority, debate) and, on request, one model finetuned on its own majority answers.
 *
 * Names of draws (src/random.ts). Agent, problem and round are always those of the response, so N, the number of problems
 * and the chunk never shift another draw. Variants share them, so their problems and first draws are the same.
 * - Training: stream `sample` (society) and `baselineSample` (single model), iteration l.
 * - Evaluation: stream `evaluate`, iteration 0, for every learner and every iteration (`holdDebates`).
 * - Summaries by the base model: streams `summarise` (training) and `summariseEvaluation` (iteration 0, as evaluation).
 * - Ties: stream `tieBreak`; the agent word holds the stream of the debate's samples.
 * - Random splits: stream `split`, one draw an example. Random labels: stream `randomLabel`, one draw a problem.
 * - Agents alone: sample k of agent n has the draw of agent n + N·k; ties as in a society's first round.
 * - Agents that start apart: streams `start` (samples) and `startSelect`, iteration 0.
 */
import { STREAMS } from '../random';
import type { Episode } from '../events';
import { answersOf, checked, drawn, layersOf } from '../society/episode';
import type { Ungraded } from '../tasks/types';
import { measureAgents } from './agentDistance';
import { measureEmbeddings } from './agentEmbeddings';
import { guardedTest, laddered, StopGuard } from './guards';
import { callsOfSociety } from './societyCalls';
import {
  cast,
  cost,
  EQUAL_CALLS,
  evaluatedIn,
  labelSource,
  learnersOf,
  METHODS,
  playersOf,
  scoresNeed,
  startersOf,
  type Variant,
} from './societyCast';
import { datasetsOf, EXAMPLES, fate } from './societyData';
import type { SettingTable } from './settings';
import { ALONE_SETTINGS, check, GOLD_SETTINGS, presets, SETTINGS, type Config } from './societySettings';
import { votesNeeded } from './readings';
import { ALONE_STAGES, debateStages } from './stages';
import { startApart } from './start';
import { startsApart } from './startSettings';
import {
  beginIteration,
  createAdapters,
  evaluation,
  everySeat,
  finetune,
  holdDebates,
  labelsOf,
  type BuiltDataset,
  type DebateStep,
} from './steps';
import type { Draft, Recipe, RunContext } from './types';
import { objectiveOf } from './updateRules';

/** The recipe of a variant. */
export function societyRecipe(variant: Variant): Recipe<Config> {
  const { id, title, description, paper } = variant;
  return {
    id,
    revision: 1,
    title,
    description,
    paper,
    usesGold: variant.label === 'gold' ? (true as const) : ({ guard }: Config) => guard?.stop === true,
    settings: settingsOf(variant),
    presets: presets(id, variant.preset),
    check,
    needs: (config) => scoresNeed(variant, config),
    cast: (config) => cast(variant, config),
    stages: variant.data === 'alone' ? () => [...ALONE_STAGES] : debateStages,
    cost: (config) => cost(variant, config),
    examples: EXAMPLES,
    fate: (episode, config, equal) => fate(variant, episode, config, equal),
    run: (context) => plays(variant, context),
  };
}

function settingsOf({ label, data }: Variant): SettingTable {
  if (data === 'alone') return ALONE_SETTINGS;
  return label === 'gold' ? GOLD_SETTINGS : SETTINGS;
}

async function* plays(variant: Variant, context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  yield* playSociety(variant, context);
}

/** What is there after the last iteration. */
export interface Played {
  heldOut: readonly Ungraded[];
  /** Training problems of the last iteration, and the data sets that its adapters learnt from. */
  problems: readonly Ungraded[];
  datasets: readonly BuiltDataset[];
}

/** The loop of a variant. */
export async function* playSociety(variant: Variant, context: RunContext<Config>): AsyncGenerator<Draft, Played, void> {
  const { config, runtime } = context;
  const { rounds, startFrom, reads } = config;
  const summaries = config.summary === 'base-model';
  const heldOut = yield* context.problems('evaluation', config.evaluationProblems, 0, 0);
  const guard = new StopGuard();
  const looksAt = (episodes: readonly Episode[]) =>
    guardedTest(episodes, context.gold ?? new Map(), context.task.equal);
  let test = yield* evaluate(variant, context, 'base', heldOut, 0);
  const measures = async function* (episodes: readonly Episode[], iteration: number) {
    if (config.measure?.agents) yield* measureAgents(variant, context, episodes, heldOut, iteration);
    if (config.measure?.embeddings) yield* measureEmbeddings(context, episodes, heldOut, iteration);
  };

  // "A^G_1..A^G_N ← A, A^C_1..A^C_N ← A": fresh adapters with B = 0 are copies of the base.
  const learning = learnersOf(variant, config);
  await createAdapters(runtime, config, learning);

  // Not in the paper: on request agents prefer different strategies before the first iteration, and are tested as they are then.
  if (startsApart(config)) {
    yield* startApart(variant, context, learning);
    for (const learner of startersOf(config)) {
      const episodes = yield* evaluate(variant, context, learner, heldOut, 0);
      if (learner === 'society') test = episodes;
      if (learner === 'society') yield* measures(episodes, 0);
    }
  }
  if (config.guard?.stop) guard.sees(looksAt(test));

  // "for iteration l = 1..L"
  let drawn: readonly Ungraded[] = [];
  let problems = drawn;
  let datasets: readonly BuiltDataset[] = [];
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    drawn = yield* beginIteration(context, iteration, drawn);
    problems = laddered(config, context.task, drawn, iteration);

    // "for every x in D: y_1,n ← A^G_n(x); for m = 2..M: y_m,n ← A^C_n(x, summary of the others); ŷ ← majority vote"
    const training = { purpose: 'train', iteration, problems } as const;
    const released = config.reading === 'released';
    const society = { ...training, rounds, stream: STREAMS.sample, summaries, released, ...(reads && { reads }) };
    const players = playersOf(variant, 'society', config);
    const debates =
      variant.data === 'alone'
        ? yield* answerAlone(variant, context, training)
        : yield* holdDebates(context, players, society, labelledBy(variant, context));
    yield labelsOf(debates, iteration, votesNeeded(config), labelSource(variant, config));
    // The single model answers every problem N times and votes: one round.
    const alone = { ...training, rounds: 1, stream: STREAMS.baselineSample, released };
    const own = config.singleAgentBaseline
      ? yield* holdDebates(context, playersOf(variant, 'single', config), alone)
      : [];
    if (config.singleAgentBaseline) yield labelsOf(own, iteration, votesNeeded(config));

    // "D^G_n ← {(x, y_1,n) : y_1,n = ŷ}", "D^C_n ← w·D^C−_n + (1−w)·D^C+_n"
    datasets = datasetsOf(variant, context, learning, { society: debates, single: own }, iteration);

    // "Â^G_n ← Finetune(A_n, D^G_n), Â^C_n ← Finetune(A_n, D^C_n)": from the current weights or, on request, from the base.
    const { rule = 'sft', beta = 0.1 } = config.update ?? {};
    const objective = objectiveOf(rule, beta);
    const warmupOver = learning.filter(({ learner }) => learner === 'society').map(({ adapter }) => adapter);
    const job = `finetune/${iteration}`;
    yield* finetune(context, { job, iteration, datasets, problems, objective, warmupOver, startFrom });

    // "A^G_n ← Â^G_n, A^C_n ← Â^C_n": adapters were trained in place. Held-out evaluation as in the paper's Algorithm 2.
    for (const learner of evaluatedIn(config, iteration)) {
      const episodes = yield* evaluate(variant, context, learner, heldOut, iteration);
      if (learner === 'society') test = episodes;
      if (learner === 'society') yield* measures(episodes, iteration);
    }
    // Not in the paper: a guard may end the run.
    if (config.guard?.stop && guard.sees(looksAt(test))) {
      // The last iteration after all: who was to be tested then is tested now.
      for (const learner of evaluatedIn(config, config.iterations))
        if (!evaluatedIn(config, iteration).includes(learner))
          yield* evaluate(variant, context, learner, heldOut, iteration);
      yield guard.measured(iteration, looksAt(test));
      break;
    }
  }
  return { heldOut, problems, datasets };
}

/** Every agent answers every problem N times and votes on its own samples; the episodes of agent after agent. */
async function* answerAlone(
  variant: Variant,
  context: RunContext<Config>,
  training: Pick<DebateStep, 'purpose' | 'iteration' | 'problems'>,
): AsyncGenerator<Draft, Episode[], void> {
  const { agents } = context.config;
  const held: Episode[] = [];
  for (const { agent, adapter } of playersOf(variant, 'society', context.config).first) {
    const seats = everySeat(agents, { agent, adapter });
    const alone = { agent: held.length / training.problems.length, of: agents };
    const released = context.config.reading === 'released';
    const step = { ...training, rounds: 1, stream: STREAMS.sample, part: agent, alone, released };
    held.push(...(yield* holdDebates(context, { learner: 'society', first: seats, later: seats }, step)));
  }
  return held;
}

/** With true answers as labels a checker looks at every debate; with random ones an agent's last answer is drawn. */
function labelledBy(
  variant: Variant,
  { config, gold, task }: RunContext<Config>,
): ((episode: Episode) => void) | undefined {
  const label = labelSource(variant, config);
  if (label === 'vote') return undefined;
  return (episode) => {
    if (label === 'random') {
      const { iteration, problem } = episode;
      const name = { seed: config.seed, stream: STREAMS.randomLabel, iteration, problem };
      return void drawn(episode, answersOf(episode, layersOf(episode) - 1), task.equal, name);
    }
    const answers = episode.turns.flatMap((turn, at) => (turn.answer === undefined ? [] : [at]));
    checked(episode, answers, gold?.get(episode.problem) ?? '', task.equal);
  };
}

/** Part of an evaluation in which nobody reads anybody. */
export const SAMPLES = 'samples';

/** Held-out problems, debated by a learner. Returns the debates. */
async function* evaluate(
  variant: Variant,
  context: RunContext<Config>,
  learner: string,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, Episode[], void> {
  const { rounds, summary, reads, reading: variantOf } = context.config;
  const released = variantOf === 'released';
  const reading = { released, ...(reads && { reads }) };
  const step = { purpose: 'evaluation', iteration, problems, rounds, stream: STREAMS.evaluate, ...reading } as const;
  const summaries = summary === 'base-model';
  const episodes = yield* holdDebates(context, playersOf(variant, learner, context.config), { ...step, summaries });
  const methods = METHODS[learner] as { single: string; majority: string; debate: string };
  if (!variant.equalCalls || learner !== 'base') {
    yield evaluation(episodes, iteration, methods);
    return episodes;
  }
  const seats = everySeat(callsOfSociety(context.config), { agent: 'base', adapter: null });
  const samples = { ...step, rounds: 1, part: SAMPLES };
  const sampled = yield* holdDebates(context, { learner, first: seats, later: seats }, samples);
  yield evaluation(episodes, iteration, methods, [{ method: EQUAL_CALLS.base, episodes: sampled }]);
  return episodes;
}
