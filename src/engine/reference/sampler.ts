/** From a row of logits to a token: temperature, top-k, top-p, a named draw, log-probability and margin. */
import { drawUniform } from '../../random';
import type { SamplingSettings, StreamKey } from '../types';
import { logProbability } from './crossEntropy';
import { exp32 } from '../math';
import { mixedLogProbability, mixedProbabilities, type PartLogits } from '../mixture';

const f = Math.fround;

export interface SampledToken {
  id: number;
  /** Natural, under the full softmax at temperature 1. */
  logprob: number;
  /** Largest minus second largest raw logit. */
  margin: number;
}

/**
 * Samples completion token `token` from row r of logits[·, V] with the uniform number drawn for (key, token).
 * The same logits, settings, key and token index always give the same id.
 */
export function sampleToken(
  logits: Float32Array,
  r: number,
  V: number,
  sampling: SamplingSettings,
  key: StreamKey,
  token: number,
): SampledToken {
  const row = logits.subarray(r * V, (r + 1) * V);
  const best = argmax(row);
  let second = -Infinity;
  for (let i = 0; i < V; i++) if (i !== best && row[i] > second) second = row[i];
  const id = sampling.temperature === 0 ? best : draw(row, row[best], sampling, drawUniform(key, token));
  return { id, logprob: logProbability(logits, r, V, id), margin: V > 1 ? f(row[best] - second) : Infinity };
}

/** The same from a mixture: a draw from its probabilities at the temperature, the most probable token at temperature 0. */
export function sampleMixture(
  parts: readonly PartLogits[],
  sampling: SamplingSettings,
  key: StreamKey,
  token: number,
): SampledToken {
  const plain = mixedProbabilities(parts, 1);
  const best = argmax(plain);
  let second = best === 0 ? 1 : 0;
  for (let v = 0; v < plain.length; v++) if (v !== best && plain[v] > plain[second]) second = v;
  let id = best;
  if (sampling.temperature > 0) {
    const mixed = sampling.temperature === 1 ? plain : mixedProbabilities(parts, sampling.temperature);
    id = drawFrom(kept(mixed.slice(), mixed, sampling), drawUniform(key, token));
  }
  const weights = parts.map(({ weight }) => weight);
  const logOf = (v: number): number =>
    mixedLogProbability(
      parts.map(({ logits }) => logProbability(logits, 0, logits.length, v)),
      weights,
    );
  const margin = plain.length > 1 ? f(logOf(best) - logOf(second)) : Infinity;
  return { id, logprob: logOf(id), margin };
}

/** Index of the largest number, the lowest of several. */
export function argmax(row: Float32Array): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

/**
 * Inverse of the cumulative distribution in index order at u: the first kept token whose running sum exceeds u · total,
 * the last kept one when rounding leaves none. `kept` is what top-k, then top-p leave.
 */
function draw(row: Float32Array, max: number, sampling: SamplingSettings, u: number): number {
  return drawFrom(keptWeights(row, max, sampling), u);
}

function drawFrom(weights: Float32Array, u: number): number {
  const total = sumOf(weights);
  const target = f(u * total);
  let sum = f(0);
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    sum = f(sum + weights[i]);
    last = i;
    if (sum > target) return i;
  }
  return last;
}

/** exp((logit − max) / temperature) for kept tokens, 0 for the others; not normalised. */
function keptWeights(row: Float32Array, max: number, sampling: SamplingSettings): Float32Array {
  const t = f(sampling.temperature);
  const top = f(max / t);
  const weights = new Float32Array(row.length);
  for (let i = 0; i < row.length; i++) weights[i] = exp32(f(f(row[i] / t) - top));
  return kept(weights, row, sampling);
}

/** The weights with 0 for tokens that top-k (by `row`), then top-p leave out; in place. */
function kept(weights: Float32Array, row: Float32Array, { topK, topP }: SamplingSettings): Float32Array {
  if (topK > 0 && topK < row.length) {
    const kth = row.slice().sort()[row.length - topK];
    for (let i = 0; i < row.length; i++) if (row[i] < kth) weights[i] = 0;
  }
  if (topP < 1) {
    const least = nucleusThreshold(weights, topP);
    for (let i = 0; i < row.length; i++) if (weights[i] < least) weights[i] = 0;
  }
  return weights;
}

/** Weight of the last token of the nucleus (Holtzman et al. 2019): most probable first until the mass reaches topP. */
function nucleusThreshold(weights: Float32Array, topP: number): number {
  const target = f(f(topP) * sumOf(weights));
  const ascending = weights.slice().sort();
  let mass = f(0);
  for (let i = ascending.length - 1; i >= 0; i--) {
    mass = f(mass + ascending[i]);
    if (mass >= target) return ascending[i];
  }
  return 0;
}

function sumOf(values: Float32Array): number {
  let sum = f(0);
  for (let i = 0; i < values.length; i++) sum = f(sum + values[i]);
  return sum;
}
