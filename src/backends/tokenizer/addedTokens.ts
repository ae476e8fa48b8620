/** Added tokens of tokenizer.json: found in a text before anything else reads it, as the Rust library `tokenizers` finds them. */
import { at, flag, known, list, object, refuse, show, text, whole, type Place } from './fields';
import { LONGEST_TOKEN, MOST_TOKENS } from './bpe';
import type { Spans } from './spans';

export interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

const FIELDS = ['id', 'content', 'single_word', 'lstrip', 'rstrip', 'normalized', 'special'];

/** @throws FileError for a field that is missing, wrong or not known */
export function readAddedTokens(value: unknown, place: Place): AddedToken[] {
  if (value === undefined || value === null) return [];
  return list(value, place, MOST_TOKENS).map((entry, i) => {
    const inside = at(place, String(i));
    const token = object(entry, inside);
    known(token, FIELDS, inside);
    const content = text(token['content'], at(inside, 'content'), LONGEST_TOKEN);
    if (content === '') refuse(at(inside, 'content'), 'is empty');
    const special = flag(token['special'], at(inside, 'special'), false);
    return {
      id: whole(token['id'], at(inside, 'id'), 2 ** 25 - 1),
      content,
      single_word: flag(token['single_word'], at(inside, 'single_word'), false),
      lstrip: flag(token['lstrip'], at(inside, 'lstrip'), false),
      rstrip: flag(token['rstrip'], at(inside, 'rstrip'), false),
      normalized: flag(token['normalized'], at(inside, 'normalized'), !special),
      special,
    };
  });
}

/**
 * Tokens marked `normalized` are sought in normalised text. That is the same as seeking them in the text where the normaliser leaves them
 * as they are; others are refused.
 */
export function checkNormalized(
  tokens: readonly AddedToken[],
  normalise: (text: string) => string,
  place: Place,
): void {
  tokens.forEach(({ content, normalized }, i) => {
    if (normalized && normalise(content) !== content)
      refuse(
        at(at(place, String(i)), 'normalized'),
        `the normalizer changes ${show(content)}, which this lab cannot follow exactly`,
      );
  });
}

interface Node {
  next: Map<string, Node>;
  token?: AddedToken;
}

export interface Found {
  token: AddedToken;
}

const WORD = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]';
const ENDS_WITH_WORD = new RegExp(`${WORD}$`, 'u');
const STARTS_WITH_WORD = new RegExp(`^${WORD}`, 'u');

/** Finds tokens, the leftmost first and of those the longest. */
export class Finder {
  readonly #root: Node = { next: new Map() };

  constructor(
    tokens: readonly AddedToken[],
    /** Ids of tokens that only a template may write. */
    private readonly kept: ReadonlySet<number>,
  ) {
    for (const token of tokens) {
      let node = this.#root;
      for (const unit of token.content.split('')) {
        let child = node.next.get(unit);
        if (!child) node.next.set(unit, (child = { next: new Map() }));
        node = child;
      }
      node.token = token;
    }
  }

  split(spans: Spans): (Spans | Found)[] {
    const { text: sentence } = spans;
    const parts: (Spans | Found)[] = [];
    let done = 0;
    for (let i = 0; i < sentence.length;) {
      const token = this.#longest(sentence, i);
      if (!token) {
        i++;
        continue;
      }
      const start = i;
      const end = (i += token.content.length);
      if (start < done || !this.#counts(spans, token, start, end)) continue;
      const from = token.lstrip ? Math.max(done, spaceBefore(sentence, start)) : start;
      if (from > done) parts.push(spans.slice(done, from));
      parts.push({ token });
      done = token.rstrip ? spaceAfter(sentence, end) : end;
    }
    if (done < sentence.length) parts.push(spans.slice(done, sentence.length));
    return parts;
  }

  #longest(sentence: string, start: number): AddedToken | undefined {
    let longest: AddedToken | undefined;
    let node: Node | undefined = this.#root;
    for (let i = start; (node = node.next.get(sentence[i] as string)); i++) if (node.token) longest = node.token;
    return longest;
  }

  #counts(spans: Spans, token: AddedToken, start: number, end: number): boolean {
    if (this.kept.has(token.id) && spans.holdsContent(start, end)) return false;
    if (!token.single_word) return true;
    const { text: sentence } = spans;
    return (
      !ENDS_WITH_WORD.test(sentence.slice(Math.max(0, start - 2), start)) &&
      !STARTS_WITH_WORD.test(sentence.slice(end, end + 2))
    );
  }
}

const isSpace = (character: string | undefined): boolean =>
  character !== undefined && /\p{White_Space}/u.test(character);

function spaceBefore(sentence: string, start: number): number {
  while (start > 0 && isSpace(sentence[start - 1])) start--;
  return start;
}

function spaceAfter(sentence: string, end: number): number {
  while (isSpace(sentence[end])) end++;
  return end;
}
