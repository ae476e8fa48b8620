/** Pre-tokenizers of tokenizer.json, as the Rust library `tokenizers` has them: they cut a text into words that merges never cross. */
import { at, flag, known, object, refuse, sequenceParts, text, type Json, type Place } from './fields';
import { split, type Behaviour } from './split';
import { pattern } from './patterns';
import { BYTE_CHARACTERS } from './bytes';

/** Where a word stands. */
export interface Standing {
  /** It is the first of a text and at its very start. */
  first: boolean;
  /** It continues a text: no space is put before it. */
  continues: boolean;
}

export type PreTokenizer = (word: string, standing: Standing) => string[];

const BEHAVIOURS: readonly string[] = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'];
const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;
const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}';
const WORDS = new RegExp(`[${WORD}]+|[^${WORD}\\p{White_Space}]+`, 'gu');

/** @throws FileError for a type or field that cannot be followed exactly */
export function preTokenizer(value: unknown, place: Place, depth = 0): PreTokenizer {
  if (value === null || value === undefined) return (word) => [word];
  const asked = object(value, place);
  const type = text(asked['type'], at(place, 'type'));
  switch (type) {
    case 'Sequence':
      return sequence(asked, place, depth);
    case 'ByteLevel':
      return byteLevel(asked, place);
    case 'Metaspace':
      return metaspace(asked, place);
    case 'Split': {
      known(asked, ['type', 'pattern', 'behavior', 'invert'], place);
      const found = pattern(asked['pattern'], at(place, 'pattern'));
      const invert = flag(asked['invert'], at(place, 'invert'), false);
      const how = behaviour(asked, place, 'Isolated');
      return (word) => split(word, found, how, invert);
    }
    case 'Digits': {
      known(asked, ['type', 'individual_digits'], place);
      const how = flag(asked['individual_digits'], at(place, 'individual_digits'), false) ? 'Isolated' : 'Contiguous';
      return (word) => split(word, /\p{N}/gu, how, false);
    }
    case 'Punctuation': {
      known(asked, ['type', 'behavior'], place);
      const how = behaviour(asked, place, 'Isolated');
      return (word) => split(word, PUNCTUATION, how, false);
    }
    case 'Whitespace':
      known(asked, ['type'], place);
      return (word) => word.match(WORDS) ?? [];
    case 'WhitespaceSplit':
      known(asked, ['type'], place);
      return (word) => word.match(/\P{White_Space}+/gu) ?? [];
    default:
      return refuse(
        at(place, 'type'),
        `${JSON.stringify(type)} is a pre-tokenizer that this lab cannot follow exactly`,
      );
  }
}

function behaviour(asked: Json, place: Place, otherwise: Behaviour): Behaviour {
  const given = text(asked['behavior'] ?? otherwise, at(place, 'behavior'));
  if (!BEHAVIOURS.includes(given)) refuse(at(place, 'behavior'), `${JSON.stringify(given)} is not known`);
  return given as Behaviour;
}

function sequence(asked: Json, place: Place, depth: number): PreTokenizer {
  const parts = sequenceParts(asked, 'pretokenizers', place, depth, preTokenizer);
  return (word, standing) =>
    parts.reduce<string[]>(
      (words, part) =>
        words.flatMap((one, i) => {
          const start = i === 0;
          return part(one, { first: standing.first && start, continues: standing.continues && start });
        }),
      [word],
    );
}

function byteLevel(asked: Json, place: Place): PreTokenizer {
  known(asked, ['type', 'add_prefix_space', 'trim_offsets', 'use_regex'], place);
  const space = flag(asked['add_prefix_space'], at(place, 'add_prefix_space'), true);
  const regex = flag(asked['use_regex'], at(place, 'use_regex'), true);
  const encoder = new TextEncoder();
  const written = (word: string): string => {
    let characters = '';
    for (const byte of encoder.encode(word)) characters += BYTE_CHARACTERS[byte];
    return characters;
  };
  return (word, { continues }) => {
    const spaced = space && !continues && !word.startsWith(' ') ? ` ${word}` : word;
    return (regex ? (spaced.match(GPT2) ?? []) : [spaced]).map(written);
  };
}

function metaspace(asked: Json, place: Place): PreTokenizer {
  known(asked, ['type', 'replacement', 'str_rep', 'add_prefix_space', 'prepend_scheme', 'split'], place);
  const replacement = text(asked['replacement'] ?? '▁', at(place, 'replacement'), 1);
  if (asked['str_rep'] !== undefined && asked['str_rep'] !== replacement)
    refuse(at(place, 'str_rep'), 'differs from replacement, which this lab does not do');
  const space = flag(asked['add_prefix_space'], at(place, 'add_prefix_space'), true);
  const scheme = text(asked['prepend_scheme'] ?? (space ? 'always' : 'never'), at(place, 'prepend_scheme'));
  if (!['always', 'first', 'never'].includes(scheme) || (!space && scheme !== 'never'))
    refuse(at(place, 'prepend_scheme'), `${JSON.stringify(scheme)} is not known, or contradicts add_prefix_space`);
  const cut = flag(asked['split'], at(place, 'split'), true);
  const mark = new RegExp(replacement.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), 'gu');
  return (word, { first, continues }) => {
    const replaced = word.replaceAll(' ', () => replacement);
    const wanted = !continues && (scheme === 'always' || (scheme === 'first' && first));
    const begun = wanted && !replaced.startsWith(replacement) ? replacement + replaced : replaced;
    return cut ? split(begun, mark, 'MergedWithNext', false) : [begun];
  };
}
