/** Normalisers of tokenizer.json, as the Rust library `tokenizers` has them. */
import { FileError } from '../../engine/errors';
import { at, flag, known, object, refuse, sequenceParts, text, type Place } from './fields';
import { pattern } from './patterns';

/** @param begins false for a text that continues another: nothing is put before it */
export type Normalizer = (section: string, begins: boolean) => string;

/** Characters of a section after each normaliser, at most: some multiply what they read. */
export const LONGEST_SECTION = 20_000_000;

const SIMPLE: Record<string, (section: string) => string> = {
  NFC: (section) => section.normalize('NFC'),
  NFD: (section) => section.normalize('NFD'),
  NFKC: (section) => section.normalize('NFKC'),
  NFKD: (section) => section.normalize('NFKD'),
  // Character by character: JavaScript's own looks around a sigma.
  Lowercase: (section) => Array.from(section, (character) => character.toLowerCase()).join(''),
  StripAccents: (section) => section.replace(/\p{M}/gu, ''),
};

/** @throws FileError for a type or field that cannot be followed exactly */
export function normalizer(value: unknown, place: Place, depth = 0): Normalizer {
  if (value === null || value === undefined) return (section) => section;
  const asked = object(value, place);
  const type = text(asked['type'], at(place, 'type'));
  const simple = SIMPLE[type];
  if (Object.hasOwn(SIMPLE, type) && simple) {
    known(asked, ['type'], place);
    return simple;
  }
  switch (type) {
    case 'Sequence':
      return sequence(asked, place, depth);
    case 'Prepend': {
      known(asked, ['type', 'prepend'], place);
      const prefix = text(asked['prepend'], at(place, 'prepend'));
      return (section, begins) => (section === '' || !begins ? section : prefix + section);
    }
    case 'Replace':
      return replace(asked, place);
    case 'Strip':
      return strip(asked, place);
    default:
      return refuse(at(place, 'type'), `${JSON.stringify(type)} is a normalizer that this lab cannot follow exactly`);
  }
}

function sequence(asked: Record<string, unknown>, place: Place, depth: number): Normalizer {
  const parts = sequenceParts(asked, 'normalizers', place, depth, normalizer);
  return (section, begins) =>
    parts.reduce((sofar, part) => {
      const next = part(sofar, begins);
      if (next.length > LONGEST_SECTION)
        refuse(at(place, 'normalizers'), `makes more than ${LONGEST_SECTION} characters of a text`);
      return next;
    }, section);
}

function replace(asked: Record<string, unknown>, place: Place): Normalizer {
  known(asked, ['type', 'pattern', 'content'], place);
  const found = pattern(asked['pattern'], at(place, 'pattern'));
  const content = text(asked['content'], at(place, 'content'));
  return (section) => {
    // Counted before it is made, since what it makes might not fit.
    if (content.length > 1) {
      let length = section.length;
      for (const [match] of section.matchAll(found)) {
        length += content.length - match.length;
        if (length > LONGEST_SECTION)
          throw new FileError(place.file, `${place.path}: makes more than ${LONGEST_SECTION} characters of a text`);
      }
    }
    // As it stands: `$` means nothing here.
    return section.replace(found, () => content);
  };
}

function strip(asked: Record<string, unknown>, place: Place): Normalizer {
  known(asked, ['type', 'strip_left', 'strip_right'], place);
  const left = flag(asked['strip_left'], at(place, 'strip_left'), true);
  const right = flag(asked['strip_right'], at(place, 'strip_right'), true);
  return (section) => {
    const start = left ? /^\p{White_Space}*/u.exec(section)![0].length : 0;
    let end = section.length;
    while (right && end > start && /\p{White_Space}/u.test(section[end - 1]!)) end--;
    return section.slice(start, end);
  };
}
