/** Probability of each sampled token, and its place in the text where that is known. */
import type { LoggedResponse } from '../../events';

/** Below this margin between the two largest logits (odds under 1.65 to 1) another draw could well have gone otherwise. */
export const NEAR_TIE = 0.5;

export interface TokenView {
  /** Characters of this token; null where the text cannot be cut (several characters a token, split not logged). */
  text: string | null;
  /** exp(log-probability), at temperature 1. */
  probability: number;
  /** Largest minus second largest logit. */
  margin: number;
  nearTie: boolean;
  /** The token that ended the response. */
  end: boolean;
}

/**
 * The tokens of a response. The log holds the text and numbers per token, not the split: it is known only when every token is
 * one character, that is when there are as many tokens as characters, not counting the stop token.
 */
export function tokensOf(response: LoggedResponse): TokenView[] {
  const characters = Array.from(response.text);
  const stop = response.finish === 'stop' ? 1 : 0;
  const perCharacter = response.tokens - stop === characters.length;
  return response.logprobs.map((logprob, i) => {
    const margin = response.margins[i] ?? Number.NaN;
    const end = stop === 1 && i === response.tokens - 1;
    const text = perCharacter && !end ? (characters[i] ?? null) : null;
    return { text, probability: Math.exp(logprob), margin, nearTie: margin < NEAR_TIE, end };
  });
}

/** Can the tokens be shown in the text itself? */
export function splitKnown(tokens: readonly TokenView[]): boolean {
  return tokens.every((token) => token.end || token.text !== null);
}

/** One token in words: `“4”: probability 57 %, margin 0.37 (near-tie)`. */
export function describeToken(token: TokenView): string {
  const name = token.end ? 'end of the response' : token.text === null ? 'token' : `“${token.text}”`;
  const share = token.probability * 100;
  const percent = share < 1 ? share.toPrecision(1) : share.toFixed(share > 99 && share < 100 ? 1 : 0);
  return `${name}: probability ${percent} %, margin ${token.margin.toFixed(2)}${token.nearTie ? ', near-tie' : ''}`;
}
