/** A tokenizer.json: texts to ids and back, as the Rust library `tokenizers` does it. */
import { checkNormalized, Finder, readAddedTokens, type AddedToken, type Found } from './addedTokens';
import { bpe, type Bpe } from './bpe';
import { decoder, type Decoder } from './decoders';
import { at, known, object, unset, type Json, type Place } from './fields';
import { normalizer, type Normalizer } from './normalizers';
import { postProcessor } from './postProcessor';
import { preTokenizer, type PreTokenizer } from './preTokenizers';
import { Spans, type Piece } from './spans';

const FIELDS = [
  'version',
  'truncation',
  'padding',
  'added_tokens',
  'normalizer',
  'pre_tokenizer',
  'post_processor',
].concat(['decoder', 'model']);

export class TextTokenizer {
  readonly added: readonly AddedToken[];
  /** What stands before a text that stands alone. */
  readonly start: readonly number[];
  /** The decoder's part of the file, for another thread. */
  readonly decoderFields: unknown;
  readonly decode: (ids: readonly number[]) => string;
  readonly #normalise: Normalizer;
  readonly #preTokenise: PreTokenizer;
  readonly #bpe: Bpe;
  readonly #decoder: Decoder;
  readonly #tokens = new Map<number, string>();
  readonly #special: ReadonlySet<number>;
  #finders: Finder[];

  /**
   * @param value the file's contents
   * @throws FileError that names the field which cannot be followed
   */
  constructor(value: unknown, file: string) {
    const top: Place = { file, path: '' };
    const json = object(value, { file, path: 'tokenizer' });
    known(json, FIELDS, top);
    for (const name of ['truncation', 'padding']) unset(json, name, top);
    const place = (name: string): Place => at(top, name);
    this.added = readAddedTokens(json['added_tokens'], place('added_tokens'));
    this.#special = new Set(this.added.filter(({ special }) => special).map(({ id }) => id));
    this.#bpe = bpe(json['model'], this.#special, place('model'));
    this.#normalise = normalizer(json['normalizer'], place('normalizer'));
    checkNormalized(this.added, (text) => this.#normalise(text, true), place('added_tokens'));
    this.#preTokenise = preTokenizer(json['pre_tokenizer'], place('pre_tokenizer'));
    this.decoderFields = json['decoder'];
    this.#decoder = decoder(this.decoderFields, place('decoder'));
    this.start = postProcessor((json as Json)['post_processor'], place('post_processor'));
    this.#finders = this.#findersFor(this.#special);
    for (const [token, id] of this.#bpe.vocab) this.#tokens.set(id, token);
    for (const { id, content } of this.added) this.#tokens.set(id, content);
    this.decode = (ids) => decodeWith(ids, this.#tokens, this.#special, this.#decoder);
  }

  /**
   * Tokens that only a template may write beside the special ones.
   * @param marks those that mark turns
   */
  keep(named: Iterable<number>, marks: Iterable<number>): void {
    this.#finders = this.#findersFor(new Set([...this.#special, ...named, ...marks]));
    this.#bpe.keep(new Set(marks));
  }

  /** Added tokens that a text in pieces holds. */
  addedIn(pieces: readonly Piece[]): Set<number> {
    const parts = this.#split(pieces);
    return new Set(parts.flatMap((part) => (part instanceof Spans ? [] : [part.token.id])));
  }

  /** What another thread needs to decode: the tokens by id. */
  get vocabulary(): ReadonlyMap<number, string> {
    return this.#tokens;
  }

  /** The id of an added token or a token of the vocabulary. */
  id(token: string): number | undefined {
    return this.added.find(({ content }) => content === token)?.id ?? this.#bpe.vocab.get(token);
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  /**
   * Ids of a text in pieces, the same as of the whole text; tokens that only a template may write are not sought in content.
   * @param continues true = another text stands before: nothing is put before this one
   */
  encode(pieces: readonly Piece[], continues = false): number[] {
    const ids: number[] = [];
    this.#split(pieces).forEach((part, i) => {
      if (part instanceof Spans) this.#section(part.text, i === 0, continues && i === 0, ids);
      else ids.push(part.token.id);
    });
    return ids;
  }

  /** Characters that the tokenizer lacks, as it reads them, as often as they stand there. */
  unknownIn(pieces: readonly Piece[]): string[] {
    return this.#split(pieces).flatMap((part, i) =>
      part instanceof Spans ? this.#words(part.text, i === 0, false).flatMap((word) => this.#bpe.unknownIn(word)) : [],
    );
  }

  #split(pieces: readonly Piece[]): (Spans | Found)[] {
    let parts: (Spans | Found)[] = [Spans.of(pieces)];
    for (const finder of this.#finders)
      parts = parts.flatMap((part) => (part instanceof Spans ? finder.split(part) : [part]));
    return parts;
  }

  #section(text: string, first: boolean, continues: boolean, ids: number[]): void {
    for (const word of this.#words(text, first, continues)) for (const id of this.#bpe.encode(word)) ids.push(id);
  }

  #words(text: string, first: boolean, continues: boolean): readonly string[] {
    const normalised = this.#normalise(text.replace(/\p{Surrogate}/gu, '\uFFFD'), !continues);
    return normalised === '' ? [] : this.#preTokenise(normalised, { first, continues });
  }

  #findersFor(kept: ReadonlySet<number>): Finder[] {
    return [false, true]
      .map((normalized) => this.added.filter((token) => token.normalized === normalized))
      .filter((tokens) => tokens.length > 0)
      .map((tokens) => new Finder(tokens, kept));
  }
}

/** Special tokens and ids without a token are left out. */
export function decodeWith(
  ids: readonly number[],
  tokens: ReadonlyMap<number, string>,
  special: ReadonlySet<number>,
  decode: Decoder,
): string {
  const shown = ids.flatMap((id) => {
    const token = special.has(id) ? undefined : tokens.get(id);
    return token === undefined ? [] : [token];
  });
  return decode(shown).join('');
}
