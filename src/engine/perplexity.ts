/** How well a model foresees a text: the usual number by which formats of weights are compared. */
import { RequestError } from './errors';
import type { AdapterId, Engine } from './types';

export interface Perplexity {
  /** Mean of −log p of the predicted tokens, natural logarithm. */
  nll: number;
  perplexity: number;
}

/**
 * Windows of at most `size` tokens that overlap by one: every token but the first is predicted in exactly one of them.
 * @throws RequestError for windows below two tokens, in which nothing is predicted (a model that reads one token has no others)
 */
export function windowsOf(ids: readonly number[], size: number): number[][] {
  if (!(size >= 2))
    throw new RequestError(`windows of ${size} tokens predict nothing; choose at least 2, or a model that reads more`);
  const windows: number[][] = [];
  for (let at = 0; at + 1 < ids.length; at += size - 1) windows.push(ids.slice(at, at + size));
  return windows;
}

/**
 * Perplexity of a text: exp of the mean −log p of every token but the first, each predicted from those before it in its window.
 *
 * @param ids of the whole text, at least two. As it is usually measured, with the BOS where the tokenizer puts one before a text
 *   (`encodeDocument`): then the text's own first token is predicted too. Later windows begin with the last token of the one before.
 * @param window tokens of a window at most
 * @throws what `Engine.score` throws
 */
export async function perplexityOf(
  engine: Engine,
  adapter: AdapterId | null,
  ids: readonly number[],
  window: number,
  onWindow: (done: number, all: number) => void = () => {},
): Promise<Perplexity> {
  const windows = windowsOf(ids, window);
  let sum = 0;
  let done = 0;
  // A few at a time: enough to fill a batch, and progress can be told.
  for (let from = 0; from < windows.length; from += 4) {
    const rows = await engine.score(windows.slice(from, from + 4).map((row) => ({ ids: row, adapter })));
    for (const row of rows) for (const logprob of row) sum += logprob;
    onWindow((done += rows.length), windows.length);
  }
  const nll = -sum / (ids.length - 1);
  return { nll, perplexity: Math.exp(nll) };
}
