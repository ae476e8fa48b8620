/**
 * Ensembles: one text, several adapters, each next token from the mixture of their probabilities, Σ w_k softmax(logits_k / T), as in
 * EnsemW2S (arXiv 2410.04571). Engines decode a mixture as as many rows as it has parts, which share the sampled token.
 */
import { exp32, log32 } from './math';
import type { AdapterId, GenerateRequest, MixturePart } from './types';

/** Parts that a mixture has at most: a kernel keeps three numbers of each. */
export const MOST_PARTS = 16;

const f = Math.fround;

/** What computes a request's rows, with weights that add up to 1; one part where it names no mixture. */
export function partsOf({ adapter, mixture }: Pick<GenerateRequest, 'adapter' | 'mixture'>): MixturePart[] {
  if (mixture === undefined) return [{ adapter, weight: 1 }];
  const total = mixture.reduce((sum, { weight }) => sum + weight, 0);
  return mixture.map(({ adapter: id, weight }) => ({ adapter: id, weight: f(weight / total) }));
}

/** The most rows that any of the requests takes. */
export function mostParts(requests: readonly GenerateRequest[]): number {
  return requests.reduce((most, { mixture }) => Math.max(most, mixture?.length ?? 1), 1);
}

/** The adapters of a request as one name, for errors; null is the base. */
export function adapterNames(request: Pick<GenerateRequest, 'adapter' | 'mixture'>): AdapterId | null {
  const names = partsOf(request).map(({ adapter }) => adapter);
  return names.every((name) => name === null) ? null : names.map((name) => name ?? 'the base').join(' + ');
}

/** One part's logits [V]. */
export interface PartLogits {
  logits: Float32Array;
  /** Of the part; all of a mixture add up to 1. */
  weight: number;
}

/** The mixture's probabilities [V], Σ w_k softmax(logits_k / T), parts in their order. T is above 0. */
export function mixedProbabilities(parts: readonly PartLogits[], temperature: number): Float32Array {
  const V = (parts[0] as PartLogits).logits.length;
  const t = f(temperature);
  const mixed = new Float32Array(V);
  const exps = new Float32Array(V);
  for (const { logits, weight } of parts) {
    let top = -Infinity;
    for (let v = 0; v < V; v++) top = Math.max(top, f((logits[v] as number) / t));
    let sum = f(0);
    for (let v = 0; v < V; v++) {
      exps[v] = exp32(f(f((logits[v] as number) / t) - top));
      sum = f(sum + (exps[v] as number));
    }
    const scale = f(f(weight) / sum);
    for (let v = 0; v < V; v++) mixed[v] = f((mixed[v] as number) + f(scale * (exps[v] as number)));
  }
  return mixed;
}

/** Natural logarithm of Σ w_k p_k(id) at temperature 1, from each part's own log p_k(id): nothing underflows. */
export function mixedLogProbability(logprobs: readonly number[], weights: readonly number[]): number {
  const terms = logprobs.map((logprob, k) => f(log32(f(weights[k] as number)) + logprob));
  const top = Math.max(...terms);
  let sum = f(0);
  for (const term of terms) sum = f(sum + exp32(f(term - top)));
  return f(top + log32(sum));
}
