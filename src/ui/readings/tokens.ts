/** Probability of each sampled token, and its place in the text where that is known. */
import type { Turn } from '../../events';
import { LOGPROB_SCALE, MARGIN_SCALE, unpackNumbers } from '../../pack';

/** Below this margin between the two largest logits (odds under 1.65 to 1) another draw could well have gone otherwise. */
export const NEAR_TIE = 0.5;

export interface TokenView {
  /** Characters of this token; null where the text cannot be cut (several characters a token, split not logged). */
  text: string | null;
  /** exp(log-probability), at temperature 1; null where the runtime does not give it. */
  probability: number | null;
  /** Largest minus second largest logit; null where the runtime does not give it. */
  margin: number | null;
  nearTie: boolean;
  /** The token that ended the response. */
  end: boolean;
}

/** A turn as far as its tokens are concerned. */
export type Sampled = Pick<Turn, 'text' | 'finish' | 'tokens' | 'logprobs' | 'margins'>;

/**
 * The tokens of a response. The log holds the text and numbers per token, not the split: it is known only when every token is
 * one character, that is when there are as many tokens as characters, not counting the stop token.
 */
export function tokensOf({ text, finish, tokens, ...columns }: Sampled): TokenView[] {
  const logprobs = columns.logprobs === undefined ? null : unpackNumbers(columns.logprobs, LOGPROB_SCALE);
  const margins = columns.margins === undefined ? null : unpackNumbers(columns.margins, MARGIN_SCALE);
  const characters = Array.from(text);
  const stop = finish === 'stop' ? 1 : 0;
  const perCharacter = tokens - stop === characters.length;
  return Array.from({ length: tokens }, (_, i) => {
    const logprob = logprobs?.[i];
    const margin = margins?.[i] ?? null;
    const end = stop === 1 && i === tokens - 1;
    return {
      text: perCharacter && !end ? (characters[i] ?? null) : null,
      probability: logprob === undefined ? null : Math.exp(logprob),
      margin,
      nearTie: margin !== null && margin < NEAR_TIE,
      end,
    };
  });
}

/** Can the tokens be shown in the text itself? */
export function splitKnown(tokens: readonly TokenView[]): boolean {
  return tokens.every((token) => token.end || token.text !== null);
}

/** Is anything known of any token beside its text? */
export function numbersGiven(tokens: readonly TokenView[]): boolean {
  return tokens.some(({ probability, margin }) => probability !== null || margin !== null);
}

/** One token in words: `“4”: probability 57 %, margin 0.37 (near-tie)`. */
export function describeToken(token: TokenView): string {
  const name = token.end ? 'end of the response' : token.text === null ? 'token' : `“${token.text}”`;
  const margin = token.margin === null ? 'not given' : token.margin.toFixed(2);
  return `${name}: probability ${percentOf(token.probability)}, margin ${margin}${token.nearTie ? ', near-tie' : ''}`;
}

function percentOf(probability: number | null): string {
  if (probability === null) return 'not given';
  const share = probability * 100;
  return `${share < 1 ? share.toPrecision(1) : share.toFixed(share > 99 && share < 100 ? 1 : 0)} %`;
}
