/** Prompts that quote too much: texts of agents are shortened until there is room for a response. */
import type { ChatTokenizer } from '../backends/tokenizer';
import type { Shortened } from '../events';
import { SHORTENED } from '../society/quotes';
import type { Question } from './types';

export interface FittedPrompt {
  ids: number[];
  /** What was left of the quoted texts; absent where they are whole. */
  shortened?: Shortened;
}

/**
 * A question's prompt, with the texts that it quotes shortened where `maxTokens` of a response would not fit behind it: first the
 * others', all to the same number of tokens, and only when nothing is left of them the slot's own. Where not even that makes
 * room for `maxTokens`, quotes and response share the room there is, half and half. A function of its arguments alone, so a
 * resumed run asks the same.
 *
 * @param maxLength tokens of prompt and response together at most
 * @returns the prompt; longer than `maxLength` allows where the problem alone is too long
 */
export async function fitPrompt(
  { messages, quotes }: Pick<Question, 'messages' | 'quotes'>,
  tokenizer: Pick<ChatTokenizer, 'encodeChat' | 'encode'>,
  maxLength: number,
  maxTokens: number,
): Promise<FittedPrompt> {
  const ids = await tokenizer.encodeChat(messages, true);
  if (!quotes || ids.length + maxTokens <= maxLength) return { ids };
  const mark = (await tokenizer.encode(SHORTENED)).length;
  /** Characters of the longest start within so many tokens; a text that is no longer than the mark stays. */
  const start = (text: string, limit: number) => longestStart(text, tokenizer, limit, mark);
  const prompt = async (others: number, own: number): Promise<Required<FittedPrompt>> => {
    const texts = [...quotes.others.map((text) => start(text, others)), start(quotes.own, own)];
    const kept = await Promise.all(texts);
    const shortened = { others: kept.slice(0, -1), own: kept.at(-1) as number };
    return { ids: await tokenizer.encodeChat(quotes.messages(shortened), true), shortened };
  };
  const least = await prompt(0, 0);
  const left = maxLength - least.ids.length;
  const room = left >= maxTokens ? maxTokens : Math.max(1, Math.floor(left / 2));
  const fits = (tried: FittedPrompt) => tried.ids.length + room <= maxLength;
  const longest = async (texts: readonly string[]) =>
    Math.max(0, ...(await Promise.all(texts.map((text) => tokenizer.encode(text)))).map(({ length }) => length));
  const ownLength = await longest([quotes.own]);
  const ownWhole = await prompt(0, ownLength);
  if (!fits(ownWhole)) return mostThatFits(least, ownLength, (limit) => prompt(0, limit), fits);
  return mostThatFits(ownWhole, await longest(quotes.others), (limit) => prompt(limit, ownLength), fits);
}

/** The prompt with the highest limit below `above` that fits, by bisection; `least` where none does. */
async function mostThatFits<T>(
  least: T,
  above: number,
  prompt: (limit: number) => Promise<T>,
  fits: (tried: T) => boolean,
): Promise<T> {
  let best = least;
  let low = 0;
  for (let high = above; high - low > 1;) {
    const limit = (low + high) >> 1;
    const tried = await prompt(limit);
    if (fits(tried)) {
      best = tried;
      low = limit;
    } else {
      high = limit;
    }
  }
  return best;
}

async function longestStart(
  text: string,
  tokenizer: Pick<ChatTokenizer, 'encode'>,
  limit: number,
  mark: number,
): Promise<number> {
  if ((await tokenizer.encode(text)).length <= Math.max(limit, mark)) return text.length;
  // Characters, not tokens, are counted out: a decoded piece of the ids need not be a piece of the text.
  let low = 0;
  for (let high = text.length; high - low > 1;) {
    const middle = (low + high) >> 1;
    if ((await tokenizer.encode(text.slice(0, middle))).length <= limit) low = middle;
    else high = middle;
  }
  const half = /[\uD800-\uDBFF]$/.test(text.slice(0, low));
  return half ? low - 1 : low;
}
