/**
 * Decoders of tokenizer.json, as the Rust library `tokenizers` has them. Each is linear in what it reads, so that texts are decoded where
 * they are shown; patterns that are regular expressions are refused.
 */
import { CHARACTER_BYTES } from './bytes';
import { at, flag, known, object, refuse, sequenceParts, text, whole, type Json, type Place } from './fields';

export type Decoder = (tokens: string[]) => string[];

const lossy = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** @throws FileError for a type or field that cannot be followed exactly */
export function decoder(value: unknown, place: Place, depth = 0): Decoder {
  if (value === null || value === undefined) return (tokens) => [tokens.join(' ')];
  const asked = object(value, place);
  const type = text(asked['type'], at(place, 'type'));
  switch (type) {
    case 'Sequence':
      return sequence(asked, place, depth);
    case 'ByteLevel':
      known(asked, ['type', 'add_prefix_space', 'trim_offsets', 'use_regex'], place);
      return byteLevel;
    case 'ByteFallback':
      known(asked, ['type'], place);
      return byteFallback;
    case 'Fuse':
      known(asked, ['type'], place);
      return (tokens) => [tokens.join('')];
    case 'Replace':
      return replace(asked, place);
    case 'Strip':
      return strip(asked, place);
    case 'Metaspace':
      return metaspace(asked, place);
    default:
      return refuse(at(place, 'type'), `${JSON.stringify(type)} is a decoder that this lab cannot follow exactly`);
  }
}

function sequence(asked: Json, place: Place, depth: number): Decoder {
  const parts = sequenceParts(asked, 'decoders', place, depth, decoder);
  return (tokens) => parts.reduce((sofar, part) => part(sofar), tokens);
}

/** Stand-ins become bytes; a token with another character keeps its own. */
function byteLevel(tokens: string[]): string[] {
  const bytes: number[] = [];
  for (const token of tokens) {
    const own = Array.from(token, (character) => CHARACTER_BYTES.get(character));
    // One by one: a token may be longer than a call has room for arguments.
    for (const byte of own.every((one) => one !== undefined) ? own : new TextEncoder().encode(token)) bytes.push(byte);
  }
  return [lossy.decode(Uint8Array.from(bytes))];
}

/** Runs of `<0x0A>` become text where they are UTF-8, else one replacement character for each byte. */
function byteFallback(tokens: string[]): string[] {
  const result: string[] = [];
  let run: number[] = [];
  const end = (): void => {
    if (run.length === 0) return;
    try {
      result.push(strict.decode(Uint8Array.from(run)));
    } catch {
      for (let i = 0; i < run.length; i++) result.push('\uFFFD');
    }
    run = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (byte !== undefined) {
      run.push(parseInt(byte, 16));
    } else {
      end();
      result.push(token);
    }
  }
  end();
  return result;
}

/** A long replacement would grow texts: real ones replace `▁` by a space. */
const LONGEST_REPLACEMENT = 16;
/** Characters that one decoding may make; several replacements after each other multiply. */
const MOST_CHARACTERS = 4_000_000;

function replace(asked: Json, place: Place): Decoder {
  known(asked, ['type', 'pattern', 'content'], place);
  const pattern = object(asked['pattern'], at(place, 'pattern'));
  known(pattern, ['String'], at(place, 'pattern'));
  const found = text(pattern['String'], at(at(place, 'pattern'), 'String'));
  if (found === '') refuse(at(at(place, 'pattern'), 'String'), 'is empty');
  const content = text(asked['content'], at(place, 'content'), LONGEST_REPLACEMENT);
  return (tokens) => {
    let characters = 0;
    return tokens.map((token) => {
      const replaced = token.replaceAll(found, () => content);
      characters += replaced.length;
      if (characters > MOST_CHARACTERS) refuse(place, `makes more than ${MOST_CHARACTERS} characters of a response`);
      return replaced;
    });
  };
}

function strip(asked: Json, place: Place): Decoder {
  known(asked, ['type', 'content', 'start', 'stop'], place);
  const content = text(asked['content'], at(place, 'content'), 1);
  const start = whole(asked['start'], at(place, 'start'), 1000);
  const stop = whole(asked['stop'], at(place, 'stop'), 1000);
  return (tokens) =>
    tokens.map((token) => {
      let from = 0;
      while (from < start && token[from] === content) from++;
      let to = token.length;
      while (token.length - to < stop && to > from && token[to - 1] === content) to--;
      return token.slice(from, to);
    });
}

function metaspace(asked: Json, place: Place): Decoder {
  known(asked, ['type', 'replacement', 'str_rep', 'add_prefix_space', 'prepend_scheme', 'split'], place);
  const replacement = text(asked['replacement'] ?? '▁', at(place, 'replacement'), 1);
  const space = flag(asked['add_prefix_space'], at(place, 'add_prefix_space'), true);
  const prepends = (asked['prepend_scheme'] ?? (space ? 'always' : 'never')) !== 'never';
  return (tokens) => tokens.map((token, i) => token.replaceAll(replacement, () => (i === 0 && prepends ? '' : ' ')));
}
