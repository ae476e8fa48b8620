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
 * - Random splits: stream `split`, one draw an example.
 */
import { STREAMS } from '../random';
import type { Episode } from '../events';
import { checked } from '../society/episode';
import type { Ungraded } from '../tasks/types';
import { cast, cost, evaluatedIn, learnersOf, METHODS, playersOf, type Variant } from './societyCast';
import { datasetOf, EXAMPLES, fate } from './societyData';
import { check, presets, SETTINGS, type Config } from './societySettings';
import { debateStages } from './stages';
import { createAdapters, evaluation, finetune, holdDebates, labelsOf } from './steps';
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
    ...(variant.label === 'gold' && { usesGold: true as const }),
    settings: SETTINGS,
    presets: presets(id),
    check,
    cast: (config) => cast(variant, config),
    stages: debateStages,
    cost: (config) => cost(variant, config),
    examples: EXAMPLES,
    fate: (episode, config, equal) => fate(variant, episode, config, equal),
    run: (context) => run(variant, context),
  };
}

async function* run(variant: Variant, context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime } = context;
  const { rounds, minimumVotes } = config;
  const summaries = config.summary === 'base-model';
  const heldOut = yield* context.problems('evaluation', config.evaluationProblems, 0, 0);
  yield* evaluate(variant, context, 'base', heldOut, 0);

  // "A^G_1..A^G_N ← A, A^C_1..A^C_N ← A": fresh adapters with B = 0 are copies of the base.
  const learning = learnersOf(variant, config);
  await createAdapters(runtime, config, learning);

  // "for iteration l = 1..L"
  let problems: Ungraded[] = [];
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    yield { type: 'iteration-started', iteration };
    const drawn = config.problems === 'fresh' ? iteration : 0;
    if (iteration === 1 || drawn > 0)
      problems = yield* context.problems('train', config.trainProblems, iteration, drawn);

    // "for every x in D: y_1,n ← A^G_n(x); for m = 2..M: y_m,n ← A^C_n(x, summary of the others); ŷ ← majority vote"
    const training = { purpose: 'train', iteration, problems } as const;
    const society = { ...training, rounds, stream: STREAMS.sample, summaries };
    const debates = yield* holdDebates(
      context,
      playersOf(variant, 'society', config),
      society,
      truthOf(variant, context),
    );
    yield labelsOf(debates, iteration, minimumVotes, variant.label);
    // The single model answers every problem N times and votes: one round.
    const alone = { ...training, rounds: 1, stream: STREAMS.baselineSample };
    const own = config.singleAgentBaseline
      ? yield* holdDebates(context, playersOf(variant, 'single', config), alone)
      : [];
    if (config.singleAgentBaseline) yield labelsOf(own, iteration, minimumVotes);

    // "D^G_n ← {(x, y_1,n) : y_1,n = ŷ}", "D^C_n ← w·D^C−_n + (1−w)·D^C+_n"
    const datasets = learning.map((one) =>
      datasetOf(variant, context, one, one.learner === 'single' ? own : debates, iteration),
    );

    // "Â^G_n ← Finetune(A_n, D^G_n), Â^C_n ← Finetune(A_n, D^C_n)": from the current weights or, on request, from the base.
    const { rule = 'sft', beta = 0.1 } = config.update ?? {};
    const objective = objectiveOf(rule, beta);
    const warmupOver = learning.filter(({ learner }) => learner === 'society').map(({ adapter }) => adapter);
    yield* finetune(
      context,
      { job: `finetune/${iteration}`, iteration, datasets, problems, objective, warmupOver },
      async () => {
        if (config.startFrom === 'base') await createAdapters(runtime, config, learning);
      },
    );

    // "A^G_n ← Â^G_n, A^C_n ← Â^C_n": adapters were trained in place. Held-out evaluation as in the paper's Algorithm 2.
    for (const learner of evaluatedIn(config, iteration))
      yield* evaluate(variant, context, learner, heldOut, iteration);
  }
}

/** With true answers as labels a checker looks at every debate. */
function truthOf({ label }: Variant, { gold, task }: RunContext<Config>): ((episode: Episode) => void) | undefined {
  if (label === 'vote') return undefined;
  return (episode) => {
    const answers = episode.turns.flatMap((turn, at) => (turn.answer === undefined ? [] : [at]));
    checked(episode, answers, gold?.get(episode.problem) ?? '', task.equal);
  };
}

/** Held-out problems, debated by a learner. */
async function* evaluate(
  variant: Variant,
  context: RunContext<Config>,
  learner: string,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  const { rounds, summary } = context.config;
  const step = { purpose: 'evaluation', iteration, problems, rounds, stream: STREAMS.evaluate } as const;
  const summaries = summary === 'base-model';
  const episodes = yield* holdDebates(context, playersOf(variant, learner, context.config), { ...step, summaries });
  yield evaluation(episodes, iteration, METHODS[learner] as { single: string; majority: string; debate: string });
}
