/**
 * MALT: multi-agent LLM training (Motwani et al. 2024, arXiv 2412.01928). A generator answers, a verifier checks, a refiner answers again.
 * In training every role branches n times, so each problem grows a tree of n³ leaves; a turn is worth the mean of the leaves below it; turns
 * above a threshold are examples for finetuning, and preferred to siblings below it (DPO). A test takes the vote of several passes.
 *
 * It learns from true answers: leaves are compared with them, as in the paper. `label=vote` is ours: a leaf is right when more than half of
 * the leaves agree with it. The paper neither does nor proposes that.
 *
 * What is uncertain, and how it is read here:
 * - Pairs: all of a wanted and an unwanted sibling. The paper's 2,000 to 6,000 pairs from some 7,500 problems are fewer, so a problem's share is
 *   drawn by lot (`perProblem`); an independent implementation takes one pair for each set of siblings (`pairs=one`).
 * - A value at the threshold is unwanted: the paper's comparison is strict. The implementation named above has it wanted (`ties`).
 * - Equal texts among siblings make one pair; the paper says nothing. A text is never preferred to itself.
 * - Preferences for the generator: the paper has none for an instruct model and has them for a base model (`prefer`).
 * - Learning rates are multipliers of an unnamed service, the same for both jobs. Here preferences have a tenth (`preferenceRate`): at the
 *   rates that suit examples with LoRA they undid them. Prompts of verifier and refiner are ours.
 * - The paper has one iteration. Further ones begin with the untouched model (`startFrom`); it proposes a rising threshold (`thresholdEnd`).
 *
 * Deviations: LoRA on a frozen, perhaps quantised base; the run's temperature, where the paper has 0.3.
 *
 * `credit=chain` is its online relative (multi_policy_generator_verifier of slime^n): n chains a problem, one check each, a check rewarded
 * with what its own chain comes to, advantages within a role as signed weights. There the generator writes both answers; here the refiner
 * writes the second one. An iteration is one update; `problems=fresh` with many iterations comes closest to online.
 *
 * Names of draws: stream `sample`, iteration l, agent = place of the turn among its role's in the tree, round 1 to 3 by role; evaluation as
 * everywhere, agent = pass. Choices among examples: stream `select` (`maltData.ts`).
 */
import type { Episode, GroupKey } from '../events';
import { STREAMS } from '../random';
import type { Asking } from '../runtimes/types';
import { answersOf, vote } from '../society/episode';
import type { Ungraded } from '../tasks/types';
import { cast, cost, METHODS, type LearnerKey } from './maltCast';
import { EXAMPLES, fate, learningOf, majorityOf, prefers, selectionOf } from './maltData';
import { check, PRESETS, SETTINGS, type Config } from './maltSettings';
import { stages } from './maltStages';
import { BASE, grow, judge, upTo, type Widths } from './maltTree';
import {
  beginIteration,
  createAdapters,
  everySeat,
  finetune,
  holdDebates,
  playChunks,
  labelsOf,
  TEST_DRAWS,
  tieBreakOf,
} from './steps';
import type { AnsweredMethod, Draft, Recipe, RunContext } from './types';

/** Part of the first test: as many samples as the passes have calls. */
const SAMPLES = 'samples';

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime } = context;
  const { branches: n, credit, label } = config;
  const heldOut = yield* context.problems('evaluation', config.evaluationProblems, 0, 0);
  yield* evaluate(context, 'base', heldOut, 0);
  await createAdapters(runtime, config, learningOf(config));

  let problems: readonly Ungraded[] = [];
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    problems = yield* beginIteration(context, iteration, problems);

    // "g_j ~ G(q), v_j,k ~ V(q, g_j), r_j,k,l ~ R(q, g_j, v_j,k)", and which leaves are right.
    const group: GroupKey = { purpose: 'train', learner: 'malt', iteration };
    const widths: Widths = credit === 'tree' ? [n, n, n] : [n, 1, 1];
    const held: Episode[] = [];
    const play = (chunk: readonly Ungraded[], asking: Asking): Promise<Episode[]> =>
      grow(context, asking, group, chunk, widths);
    for await (const episodes of playChunks(context, problems, true, play)) {
      for (const episode of episodes) judge(context, episode);
      held.push(...episodes);
      yield* episodes;
    }
    const leaves = widths.reduce((product, width) => product * width, 1);
    if (label === 'vote') yield labelsOf(held, iteration, majorityOf(leaves));

    yield* learn(context, held, problems, iteration);
    yield* evaluate(context, 'malt', heldOut, iteration);
  }
}

/** "SFT each role on its positives; then DPO from and against the SFT models." With chains: one job of signed weights. */
async function* learn(
  context: RunContext<Config>,
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  const { config, task } = context;
  const { credit, beta, preferenceRate, startFrom } = config;
  const learning = learningOf(config);
  const examples = learning.map((one) => ({
    ...one,
    selection: selectionOf(episodes, one, 'examples', config, iteration, task.equal),
    episodes,
  }));
  const job = `${credit === 'tree' ? 'imitate' : 'reinforce'}/${iteration}`;
  const slower = { ...config, finetune: { ...config.finetune, lr: config.finetune.lr * preferenceRate } };
  const gently = { ...context, config: slower };
  // Signed weights push away too.
  yield* finetune(credit === 'chain' ? gently : context, { job, iteration, datasets: examples, problems, startFrom });
  const preferring = learning.filter(({ adapter }) => prefers(config, adapter));
  if (credit === 'chain' || preferring.length === 0) return;
  const pairs = preferring.map((one) => ({
    ...one,
    selection: selectionOf(episodes, one, 'pairs', config, iteration, task.equal),
    episodes,
    reference: one.adapter,
  }));
  const step = { job: `prefer/${iteration}`, iteration, datasets: pairs, problems };
  yield* finetune(gently, { ...step, objective: { kind: 'dpo', beta } });
}

/** Held-out problems: passes through the three roles, their votes, and before any training a vote of as many samples. */
async function* evaluate(
  context: RunContext<Config>,
  learner: LearnerKey,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  const { config, task } = context;
  const { votes } = config;
  const group = { purpose: 'evaluation', learner, iteration } as const;
  const episodes: Episode[] = [];
  const ties = tieBreakOf(config, TEST_DRAWS);
  const play = (chunk: readonly Ungraded[], asking: Asking): Promise<Episode[]> =>
    grow(context, asking, group, chunk, [votes, 1, 1]);
  for await (const held of playChunks(context, problems, true, play)) {
    for (const episode of held) {
      // The generator's answers, and what the refiner made of them.
      for (const layer of [0, 1])
        vote(episode, answersOf(episode, layer), task.equal, { ...ties, problem: episode.problem, round: layer + 1 });
    }
    episodes.push(...held);
    yield* held;
  }
  const keys = METHODS[learner];
  const ways = (layer: number, one: string, several: string): AnsweredMethod[] => {
    const turns = episodes[0] ? answersOf(episodes[0], layer) : [];
    const first = ({ turns: said }: Episode) => said[turns[0] ?? -1]?.answer ?? null;
    const voted = ({ verdicts }: Episode) => verdicts[layer]?.answer ?? null;
    return [
      { method: one, turns: turns.slice(0, 1), answers: episodes.map(first) },
      ...(votes > 1 ? [{ method: several, turns, answers: episodes.map(voted) }] : []),
    ];
  };
  const methods = [...ways(0, keys.answer, keys.answers), ...ways(1, keys.pass, keys.passes)];
  if (learner === 'base') {
    const seats = everySeat(3 * votes, BASE);
    const step = {
      purpose: 'evaluation',
      iteration,
      problems,
      rounds: 1,
      stream: STREAMS.evaluate,
      part: SAMPLES,
    } as const;
    const sampled = yield* holdDebates(context, { learner, first: seats, later: seats }, step);
    const answers = sampled.map(({ verdicts }) => verdicts[0]?.answer ?? null);
    methods.push({ method: 'majorityEqualCalls', turns: upTo(3 * votes), answers });
  }
  yield { type: 'evaluate', iteration, learner, group, methods };
}

export const malt: Recipe<Config> = {
  id: 'malt',
  revision: 1,
  title: 'MALT',
  description:
    'Generator, verifier and refiner grow a tree; each learns from what its turns lead to, by examples and preferences.',
  paper: 'arXiv 2412.01928',
  usesGold: true,
  settings: SETTINGS,
  presets: PRESETS,
  check,
  cast,
  stages,
  cost,
  ownReference: () => true,
  examples: EXAMPLES,
  fate,
  run,
};
