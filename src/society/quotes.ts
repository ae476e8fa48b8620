/** What a prompt quotes of agents: whole texts, or their starts where the whole is too long for the model. */
import type { Shortened } from '../events';

/** Stands where a text was cut. */
export const SHORTENED = '[…]';

export interface Quotes {
  /** The others' texts in order, or the one summary of them; null = unreadable. */
  others: readonly (string | null)[];
  /** The slot's own previous text. */
  own: string | null;
}

/** The quotes with as many characters as the prompt kept of each. */
export function shortenQuotes({ others, own }: Quotes, kept: Shortened): Quotes {
  return { others: others.map((text, index) => startOf(text, kept.others[index])), own: startOf(own, kept.own) };
}

function startOf(text: string | null, characters: number | undefined): string | null {
  if (text === null || characters === undefined || characters >= text.length) return text;
  return `${text.slice(0, characters).trimEnd()} ${SHORTENED}`.trim();
}
