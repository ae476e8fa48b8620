/** Perplexity as the page's check of a model asks for it. */
import { perplexityOf, type Perplexity as Measured } from '../../engine/perplexity';
import type { Engine } from '../../engine/types';
import { LabStateError } from '../errors';

/** Tokens of one window: longer contexts change the number little and cost memory. */
export const PERPLEXITY_WINDOW = 512;
/** Tokens at most, so that a pasted book does not take an hour. */
const MOST_TOKENS = 8_192;

export interface Perplexity extends Measured {
  /** Tokens that were predicted. */
  tokens: number;
  /** Whether the end of the text was left out. */
  cut: boolean;
}

/**
 * Perplexity of the beginning of a text under the untouched model.
 *
 * @param ids of the whole text, see `perplexityOf`
 * @throws LabStateError when there are fewer than two tokens
 */
export async function perplexity(
  engine: Engine,
  ids: readonly number[],
  windowTokens = PERPLEXITY_WINDOW,
): Promise<Perplexity> {
  if (ids.length < 2) {
    const has = ids.length === 0 ? 'is empty' : 'has one token';
    throw new LabStateError(`The text ${has}, so there is no token to predict. Give a longer text.`);
  }
  const used = ids.slice(0, MOST_TOKENS);
  const measured = await perplexityOf(engine, null, used, windowTokens);
  return { ...measured, tokens: used.length - 1, cut: used.length < ids.length };
}
