/** Patterns of tokenizer.json: a text or a regular expression of Oniguruma. */
import { SplitPreTokenizer } from '@huggingface/tokenizers';
import { at, known, object, refuse, text, type Place } from './fields';

const LONGEST_PATTERN = 5_000;

/**
 * A pattern as a regular expression of JavaScript, with flags `gu`. The library knows how Oniguruma's classes are written here.
 * @throws FileError where it cannot be written
 */
export function pattern(value: unknown, place: Place): RegExp {
  const asked = object(value, place);
  known(asked, ['String', 'Regex'], place);
  if (typeof asked['String'] === 'string') return literal(text(asked['String'], at(place, 'String')));
  const source = text(asked['Regex'], at(place, 'Regex'), LONGEST_PATTERN);
  try {
    const made = new SplitPreTokenizer({
      type: 'Split',
      pattern: { Regex: source },
      behavior: 'Isolated',
      invert: false,
    });
    if (made.pattern) return made.pattern;
  } catch (cause) {
    return refuse(at(place, 'Regex'), `cannot be followed (${cause instanceof Error ? cause.message : String(cause)})`);
  }
  return refuse(at(place, 'Regex'), 'cannot be followed');
}

/** Finds the text as it stands. */
export function literal(content: string): RegExp {
  return new RegExp(content === '' ? '(?!)' : content.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), 'gu');
}
