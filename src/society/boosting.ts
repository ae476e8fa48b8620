/**
 * Boosting of weak experts, after EnsemW2S (arXiv 2410.04571) and AdaBoost (Freund and Schapire 1997) with more than two classes (SAMME:
 * Zhu et al. 2009). What is weighted is an answer token in the generation branch and a whole problem in the choice branch; both are
 * "items" here. Pure functions of numbers; weights of items add up to 1.
 */
import { PolylogueError } from '../engine/errors';
import { drawUniform, shuffled, type DrawName } from '../random';

/** There is nothing to boost on, or lengths differ. */
export class BoostingError extends PolylogueError {}

/** D_1 = 1/n. @throws BoostingError for n = 0 */
export function uniformWeights(n: number): number[] {
  if (n === 0) throw new BoostingError('there is nothing to boost on: no problem with a known solution has a token');
  return Array.from({ length: n }, () => 1 / n);
}

/** ε = Σ D·1[wrong]. @param wrong one for each weight @throws BoostingError when lengths differ or there are none */
export function weightedError(weights: readonly number[], wrong: readonly boolean[]): number {
  if (weights.length !== wrong.length || weights.length === 0)
    throw new BoostingError(`${weights.length} weights do not fit ${wrong.length} outcomes`);
  return weights.reduce((sum, weight, at) => sum + (wrong[at] ? weight : 0), 0);
}

/**
 * α = ln((1 − ε)/ε) − ln((1 − ε₀)/ε₀): the expert's weighted accuracy in log-odds minus that of the reference. It is the paper's
 * ln((1 − ε)/ε) + ln(1/(1 − ε₀) − 1), and with chance among K classes (ε₀ = 1 − 1/K) SAMME's. Above 0 exactly where ε < ε₀.
 * Nine decimals: what rounding leaves of an error like the reference's is no edge.
 * @param items n: errors are kept within 1/2n of 0 and 1, half an item, so that a perfect expert has a finite weight
 */
export function expertWeight(error: number, reference: number, items: number): number {
  const least = 1 / (2 * items);
  const logit = (value: number): number => {
    const kept = Math.min(1 - least, Math.max(least, value));
    return Math.log((1 - kept) / kept);
  };
  return Math.round((logit(error) - logit(reference)) * 1e9) / 1e9 + 0;
}

/** D·exp(α·1[wrong]), divided by its sum. With α = 0 nothing changes. @throws BoostingError when lengths differ */
export function reweighted(weights: readonly number[], wrong: readonly boolean[], alpha: number): number[] {
  if (weights.length !== wrong.length)
    throw new BoostingError(`${weights.length} weights do not fit ${wrong.length} outcomes`);
  const raised = weights.map((weight, at) => (wrong[at] ? weight * Math.exp(alpha) : weight));
  const total = raised.reduce((sum, weight) => sum + weight, 0);
  return raised.map((weight) => weight / total);
}

/** 1/ΣD²: how many equal items would be as unequal as these. n for equal weights, 1 when one item has all. */
export function effectiveSize(weights: readonly number[]): number {
  return 1 / weights.reduce((sum, weight) => sum + weight * weight, 0);
}

/** Mass on the heaviest share of the items, one at least. */
export function topMass(weights: readonly number[], share = 0.01): number {
  const top = [...weights].sort((x, y) => y - x).slice(0, Math.max(1, Math.round(share * weights.length)));
  return top.reduce((sum, weight) => sum + weight, 0);
}

/**
 * Draws items with replacement by their weights.
 * @param draws how many
 * @param name of the draws, one word each
 * @returns how often each item was drawn
 */
export function drawnCounts(weights: readonly number[], draws: number, name: DrawName): number[] {
  const counts = weights.map(() => 0);
  const below: number[] = [];
  let sum = 0;
  for (const weight of weights) below.push((sum += weight));
  for (let draw = 0; draw < draws; draw++) {
    const wanted = drawUniform(name, draw) * sum;
    let [low, high] = [0, weights.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (wanted < (below[middle] as number)) high = middle;
      else low = middle + 1;
    }
    counts[low] = (counts[low] as number) + 1;
  }
  return counts;
}

/** softmax over candidates [C] of their log-probabilities. */
export function candidateShares(logprobs: readonly number[]): number[] {
  const top = Math.max(...logprobs);
  const exps = logprobs.map((logprob) => Math.exp(logprob - top));
  const total = exps.reduce((sum, value) => sum + value, 0);
  return exps.map((value) => value / total);
}

/** The ensemble's shares of the candidates [C]: Σ α_t·p_t, divided by Σ α_t. @param shares [T][C] */
export function mixedShares(alphas: readonly number[], shares: readonly (readonly number[])[]): number[] {
  const total = alphas.reduce((sum, alpha) => sum + alpha, 0);
  const candidates = shares[0]?.length ?? 0;
  return Array.from({ length: candidates }, (_, c) =>
    alphas.reduce((sum, alpha, t) => sum + (alpha / total) * (shares[t]?.[c] ?? 0), 0),
  );
}

/** Index of the largest value; the first of several. */
export function argmax(values: readonly number[]): number {
  return values.reduce((best, value, at) => (value > (values[best] as number) ? at : best), 0);
}

/**
 * How many experts the ensemble is best with: the T for which the mixture's mean log-probability of given items is largest; fewer where
 * several are. With no items all experts stay.
 * @param logprobs [T][items], of each expert
 */
export function bestSize(alphas: readonly number[], logprobs: readonly (readonly number[])[]): number {
  const items = logprobs[0]?.length ?? 0;
  if (items === 0) return alphas.length;
  const means = alphas.map((_, last) => {
    const kept = alphas.slice(0, last + 1);
    const total = kept.reduce((sum, alpha) => sum + alpha, 0);
    let sum = 0;
    for (let at = 0; at < items; at++) {
      sum += Math.log(kept.reduce((p, alpha, t) => p + (alpha / total) * Math.exp(logprobs[t]?.[at] ?? 0), 0));
    }
    return sum / items;
  });
  return argmax(means) + 1;
}

export interface EasyToHard<T> {
  /** With labels, for the experts. */
  easy: T[];
  /** With labels, to choose the number of experts by. */
  validation: T[];
  /** Without labels, for the student. */
  hard: T[];
}

/**
 * Cuts problems into three parts, the easiest first. Ties are in an order of their own draws, so an equal difficulty says nothing.
 * @param labelled share with labels, validation included; one problem at least
 * @param validation share of the labelled ones, the hardest of them; one problem stays for the experts
 * @param draw name of the permutation; with `random` it is the order itself
 */
export function easyToHard<T>(
  problems: readonly T[],
  difficulty: (problem: T) => number,
  { labelled, validation, random }: { labelled: number; validation: number; random: boolean },
  draw: DrawName,
): EasyToHard<T> {
  const mixed = shuffled(problems, draw);
  const order = random
    ? mixed
    : mixed
        .map((problem, at) => ({ problem, at, hard: difficulty(problem) }))
        .sort((x, y) => x.hard - y.hard || x.at - y.at)
        .map(({ problem }) => problem);
  const known = Math.min(order.length, Math.max(1, Math.round(labelled * order.length)));
  const held = Math.min(known - 1, Math.round(validation * known));
  return {
    easy: order.slice(0, Math.max(0, known - held)),
    validation: order.slice(Math.max(0, known - held), known),
    hard: order.slice(known),
  };
}
