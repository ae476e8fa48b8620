/** The rounds of EnsemW2S: experts that learn what the ones before them get wrong, beside a single teacher and uniform bagging. */
import type { Episode, ExampleRef } from '../events';
import { packNumbers, TOKEN_WEIGHT_SCALE } from '../pack';
import { STREAMS, type DrawName } from '../random';
import {
  bestSize,
  drawnCounts,
  effectiveSize,
  expertWeight,
  reweighted,
  topMass,
  uniformWeights,
  weightedError,
  type EasyToHard,
} from '../society/boosting';
import type { Selection } from '../society/selection';
import type { Ungraded } from '../tasks/types';
import { BAGGED, EXPERT, rounds, TEACHER } from './ensemCast';
import {
  findings,
  markTruth,
  readTexts,
  trueTurn,
  wrongTokens,
  type Findings,
  type Part,
  type Reader,
} from './ensemReadings';
import type { Config } from './ensemSettings';
import { finetune, type BuiltDataset } from './steps';
import type { Draft, RunContext } from './types';

/** Places of readers in the names of readings; experts have 1..16. */
export const PLACE = { base: 0, bagged: 16, teacher: 40, student: 41 } as const;
export const BASE: Reader = { agent: 'base', adapter: null, place: PLACE.base };

export interface Teachers {
  ensemble: Part[];
  /** As many as the ensemble has. */
  bagging: Part[];
  teacher: Part[];
}

/** Why an example is none. */
const NOT_DRAWN = 'not drawn in this round';

/**
 * Boosting on the easy problems. Every expert begins with the untouched model.
 * @param problems all training problems of the iteration
 */
export async function* boost(
  context: RunContext<Config>,
  iteration: number,
  { easy, validation }: EasyToHard<Ungraded>,
  problems: readonly Ungraded[],
): AsyncGenerator<Draft, Teachers, void> {
  const { config, task } = context;
  const truth = markTruth(task, config);
  const read = (learner: string, part: string | null, of: readonly Ungraded[], reader: Reader, mark = true) =>
    readTexts(
      context,
      { purpose: 'train', learner, iteration, ...(part !== null && { part }) },
      of,
      [reader],
      0,
      mark ? truth : undefined,
    );
  const solutions = yield* read('base', null, easy, BASE);
  const held = yield* read('base', 'validation', validation, BASE);
  const base = findings(solutions, solutions, config);
  const items = base.wrong.length;

  let weights = uniformWeights(items);
  const experts: { part: Part; held: Findings }[] = [];
  for (const t of rounds(config)) {
    const { adapter } = EXPERT(t);
    const draw = { seed: config.seed, stream: STREAMS.boost, iteration, agent: t };
    const datasets: BuiltDataset[] = [
      { ...EXPERT(t), selection: weighed(solutions, weights, config, { ...draw, round: 0 }), episodes: solutions },
      { ...BAGGED(t), selection: bagged(solutions, items, config, { ...draw, round: 1 }), episodes: solutions },
      ...(t === 1 ? [{ ...TEACHER, selection: everything(solutions), episodes: solutions }] : []),
    ];
    yield* finetune(context, { job: `round-${t}/${iteration}`, iteration, datasets, problems });

    const reader = { agent: adapter, adapter, place: t };
    const own = findings(yield* read('ensemble', `round-${t}`, easy, reader, false), solutions, config);
    const error = weightedError(weights, own.wrong);
    const reference = referenceError(base, weights, solutions, config);
    const alpha = expertWeight(error, reference, items);
    yield measured(iteration, t, { weights, error, reference, alpha, items });
    if (alpha <= 0 && config.notBetter === 'stop') break;
    if (alpha <= 0) continue;
    const part = { ...reader, alpha };
    experts.push({
      part,
      held: findings(yield* read('ensemble', `validation-${t}`, validation, reader, false), held, config),
    });
    weights = reweighted(weights, own.wrong, alpha);
  }
  const alphas = experts.map(({ part }) => part.alpha);
  const kept =
    config.size === 'all' || experts.length === 0
      ? experts.length
      : bestSize(
          alphas,
          experts.map(({ held: { logprobs } }) => logprobs),
        );
  yield {
    type: 'measured',
    iteration,
    learner: 'ensemble',
    name: 'ensemble',
    values: [
      { label: 'experts better than the reference', value: experts.length },
      { label: 'experts in the ensemble', value: kept },
    ],
  };
  return {
    ensemble: experts.slice(0, kept).map(({ part }) => part),
    bagging: rounds(config)
      .slice(0, kept)
      .map((t) => ({ agent: BAGGED(t).adapter, adapter: BAGGED(t).adapter, place: PLACE.bagged + t, alpha: 1 })),
    teacher: [{ agent: TEACHER.adapter, adapter: TEACHER.adapter, place: PLACE.teacher, alpha: 1 }],
  };
}

/** ε₀: the untouched model's error in generation, a guess's in the choice branch unless it is measured against the model too. */
function referenceError(
  { wrong }: Findings,
  weights: readonly number[],
  solutions: readonly Episode[],
  { branch, baseError, choiceAlpha }: Config,
): number {
  if (branch === 'choice' && choiceAlpha === 'chance')
    return solutions.reduce((sum, { turns }, at) => sum + (weights[at] as number) * (1 - 1 / turns.length), 0);
  return weightedError(baseError === 'weighted' ? weights : uniformWeights(wrong.length), wrong);
}

function measured(
  iteration: number,
  round: number,
  found: { weights: readonly number[]; error: number; reference: number; alpha: number; items: number },
): Draft {
  const { weights, error, reference, alpha, items } = found;
  const values = {
    'weight α': alpha,
    'weighted error': error,
    'error it is measured against': reference,
    'effective sample size': effectiveSize(weights),
    items,
    'weight on the heaviest 1 %': topMass(weights),
  };
  return {
    type: 'measured',
    iteration,
    learner: 'ensemble',
    name: `round ${round}`,
    values: Object.entries(values).map(([label, value]) => ({ label, value: Math.round(value * 1e6) / 1e6 })),
  };
}

/** What an expert learns: what is drawn by the weights, or everything with weighted losses. @param weights of the items */
export function weighed(
  solutions: readonly Episode[],
  weights: readonly number[],
  { branch, weighting, drawn }: Pick<Config, 'branch' | 'weighting' | 'drawn'>,
  draw: DrawName,
): Selection {
  const items = weights.length;
  // Weighted losses: D·n, whose mean is 1, in thousandths as the log keeps them.
  const factors =
    weighting === 'weights'
      ? weights.map((weight) => Math.round(weight * items * TOKEN_WEIGHT_SCALE) / TOKEN_WEIGHT_SCALE)
      : drawnCounts(weights, Math.max(1, Math.round(drawn * items)), draw);
  const masks = branch === 'generation' && weighting === 'sampling';
  return learnt(solutions, masks ? factors.map((count) => Math.min(1, count)) : factors, branch);
}

/** A bagged expert's sample: as an expert's in round 1, whatever the use of weights. */
function bagged(solutions: readonly Episode[], items: number, config: Config, draw: DrawName): Selection {
  return weighed(solutions, uniformWeights(items), { ...config, weighting: 'sampling' }, draw);
}

function everything(solutions: readonly Episode[]): Selection {
  return {
    examples: solutions.map((episode) => ({ problem: episode.problem, turn: trueTurn(episode), kind: 'solution' })),
    available: { solution: solutions.length },
    dropped: [],
  };
}

/** True solutions as examples with a factor for each token, or for each problem; those with nothing but 0 are left out. */
function learnt(solutions: readonly Episode[], factors: readonly number[], branch: Config['branch']): Selection {
  const examples: ExampleRef[] = [];
  let next = 0;
  for (const episode of solutions) {
    const turn = trueTurn(episode);
    const size = branch === 'generation' ? wrongTokens(episode.turns[turn] ?? {}).length : 1;
    const own = factors.slice(next, (next += size));
    if (own.every((factor) => factor === 0)) continue;
    const example = { problem: episode.problem, turn, kind: 'solution' };
    examples.push(
      branch === 'generation'
        ? { ...example, tokens: packNumbers(own, TOKEN_WEIGHT_SCALE) }
        : { ...example, weight: own[0] as number },
    );
  }
  const left = solutions.length - examples.length;
  return {
    examples,
    available: { solution: solutions.length },
    dropped: left > 0 ? [{ reason: NOT_DRAWN, count: left }] : [],
  };
}
