/** Prefill: prompts and whole sequences into the rows of the cache, batch by batch, from where no row can help. */

import { HashedIds, placeSequences, type Sequence, type Sharing } from '../prefix';
import type { Projection } from '../types';
import type { Decoder } from './decoder';

/** Which weights compute a row: the adapter's slot in the pool, and its version there. */
export interface RowWeights {
  slot: number;
  version: number;
}

/** A sequence and the adapter's slot that computes it. */
export interface Prefilled extends Sequence {
  slot: number;
}

/** The tokens from..to (excluded) of a sequence; the first is token `at` of the batch. */
export interface Stretch<S> {
  sequence: S;
  from: number;
  to: number;
  at: number;
}

/** A sequence that has no row yet; its first `length` ids are to be computed. */
export function startSequence(hashed: HashedIds, length: number, weights: RowWeights): Prefilled {
  return { hashed, length, ...weights, row: -1, cached: 0, copy: null };
}

/**
 * Gives the sequences rows out of `free`, at least as many as there are sequences, and brings them into the cache in as
 * few batches as their order allows. Of several that begin alike the first is computed and the others wait for it and copy. After
 * each batch `visit` gets what was computed in it; its hidden states are on the device until the next.
 */
export async function prefill<S extends Prefilled>(
  decoder: Decoder,
  sequences: readonly S[],
  free: Iterable<number>,
  sharing: Sharing,
  targets: ReadonlySet<Projection>,
  visit: (stretches: Stretch<S>[]) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const { batch, contents, tokensRun } = decoder;
  place(decoder, sequences, free, sharing);
  let open = sequences.filter(({ cached, length }) => cached < length);
  while (open.length > 0) {
    signal?.throwIfAborted();
    batch.clear();
    const stretches: Stretch<S>[] = [];
    const copied: S[] = [];
    for (const sequence of open) {
      if (batch.room === 0) break;
      const { hashed, copy, row, slot } = sequence;
      const shared = copy?.length ?? 0;
      // An open sequence that comes first waits for nobody: what it copies from is complete.
      if (copy?.of && copy.of.cached < shared) continue;
      if (sequence.cached < shared) copied.push(sequence);
      const from = Math.max(sequence.cached, shared);
      const to = Math.min(sequence.length, from + batch.room);
      stretches.push({ sequence, from, to, at: batch.count });
      for (let position = from; position < to; position++) {
        batch.add(hashed.ids[position] as number, row, position, slot);
      }
    }
    copyBeginnings(decoder, copied);
    tokensRun.prefilled += batch.count;
    if (batch.count > 0) decoder.run(targets);
    for (const { sequence, to } of stretches) {
      sequence.cached = to;
      contents.hold(sequence.row, sequence, to);
    }
    open = open.filter(({ cached, length }) => cached < length);
    await visit(stretches);
  }
}

/** Rows for the sequences, with what is copied from rows as they are before anything is computed. */
function place(decoder: Decoder, sequences: readonly Prefilled[], free: Iterable<number>, sharing: Sharing): void {
  const { contents, sizes, tokensRun } = decoder;
  placeSequences(contents, sequences, free, sizes.maxRows, sharing);
  for (const { cached } of sequences) tokensRun.reused += cached;
  const copied = sequences.filter(({ copy }) => copy !== null && copy.of === null);
  copyBeginnings(decoder, copied);
  for (const sequence of copied) sequence.cached = sequence.copy?.length ?? 0;
  for (const sequence of sequences) contents.hold(sequence.row, sequence, sequence.cached);
}

function copyBeginnings(decoder: Decoder, sequences: readonly Prefilled[]): void {
  const copies = sequences.flatMap(({ copy, row }) => (copy ? [{ row: copy.row, to: row, length: copy.length }] : []));
  decoder.copyRows(copies);
  for (const { length } of copies) decoder.tokensRun.reused += length;
}
