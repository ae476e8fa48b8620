/** How well a model foresees a text: the usual number by which formats of weights are compared. */
import type { Engine } from '../engine/types';
import { LabStateError } from './errors';

/** Tokens of one window: longer contexts change the number little and cost memory. */
export const PERPLEXITY_WINDOW = 512;
/** Tokens at most, so that a pasted book does not take an hour. */
const MOST_TOKENS = 8_192;

export interface Perplexity {
  /** Tokens that were predicted. */
  tokens: number;
  /** Mean of −ln p over them. */
  nll: number;
  /** exp(nll) */
  perplexity: number;
  /** Whether the end of the text was left out. */
  cut: boolean;
}

/**
 * Perplexity of a text under the untouched model: windows of at most `windowTokens`, each token predicted from those
 * before it in its window; a window's first token is the last of the window before.
 *
 * @param ids of the whole text
 * @throws LabStateError when there are fewer than two tokens
 */
export async function perplexity(
  engine: Engine,
  ids: readonly number[],
  windowTokens = PERPLEXITY_WINDOW,
): Promise<Perplexity> {
  if (ids.length < 2) throw new LabStateError('The text is too short: it needs at least two tokens.');
  const used = ids.slice(0, MOST_TOKENS);
  let sum = 0;
  let tokens = 0;
  for (let from = 0; from + 1 < used.length; from += windowTokens - 1) {
    const window = used.slice(from, from + windowTokens);
    const [logprobs] = (await engine.score([{ ids: window, adapter: null }])) as [Float32Array];
    for (const logprob of logprobs) sum -= logprob;
    tokens += logprobs.length;
  }
  const nll = sum / tokens;
  return { tokens, nll, perplexity: Math.exp(nll), cut: used.length < ids.length };
}
