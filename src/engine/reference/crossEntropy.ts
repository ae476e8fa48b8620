/** Log-softmax and cross-entropy over the vocabulary, and the gradient of the logits. */
import { exp32, log32 } from '../math';

const f = Math.fround;

/** Largest logit and Σ exp(logit − largest) of row r of logits[·, V], summed in index order; NaN where a logit is not finite, −∞ included. */
function normaliser(logits: Float32Array, r: number, V: number): { max: number; sum: number } {
  const at = r * V;
  let max = logits[at];
  for (let i = 1; i < V; i++) if (logits[at + i] > max) max = logits[at + i];
  let sum = f(0);
  for (let i = 0; i < V; i++) {
    if (!Number.isFinite(logits[at + i])) return { max: NaN, sum: NaN };
    sum = f(sum + exp32(f(logits[at + i] - max)));
  }
  return { max, sum };
}

/** Natural log-probability of `id` under softmax of row r of logits[·, V]. */
export function logProbability(logits: Float32Array, r: number, V: number, id: number): number {
  const { max, sum } = normaliser(logits, r, V);
  return f(f(logits[r * V + id] - max) - log32(sum));
}

/**
 * Replaces row r of the logits by the gradient of scale · nll, scale · (softmax − onehot), and returns nll = −ln p(id).
 */
export function crossEntropyInPlace(logits: Float32Array, r: number, V: number, id: number, scale: number): number {
  const { max, sum } = normaliser(logits, r, V);
  const at = r * V;
  const nll = f(log32(sum) - f(logits[at + id] - max));
  for (let i = 0; i < V; i++) {
    const p = f(exp32(f(logits[at + i] - max)) / sum);
    logits[at + i] = f(scale * (i === id ? f(p - 1) : p));
  }
  return nll;
}
