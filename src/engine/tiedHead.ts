/** The head that a file of a tied model has all the same: harmless when it is a copy of the embedding. */
import { EMBEDDING_NAME, HEAD_NAME } from './config';
import { SafetensorsError } from './errors';
import type { Sha256 } from './source';

/** Compares embedding and head by hashes of their values, in whichever order they come. Rows have to come in order. */
export class HeadCheck {
  readonly #embedding: Sha256;
  readonly #head: Sha256;

  constructor(makeHash: () => Sha256) {
    this.#embedding = makeHash();
    this.#head = makeHash();
  }

  /** Takes note of a piece of any tensor. */
  see({ name, data }: { name: string; data: Float32Array }): void {
    const hash = name === EMBEDDING_NAME ? this.#embedding : name === HEAD_NAME ? this.#head : null;
    hash?.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** @throws SafetensorsError when all was read and the two differ */
  finish(file: string): void {
    if (this.#embedding.digest() === this.#head.digest()) return;
    throw new SafetensorsError(
      file,
      `tensor ${HEAD_NAME} differs from ${EMBEDDING_NAME}, though config.json ties them (tie_word_embeddings); ` +
        'config.json and weights do not belong together: get both from one copy of the model',
    );
  }
}
