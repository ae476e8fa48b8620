/** Scoring: whole sequences through the decoder in batches, logits block by block, never all at once. */

import type { Projection, ScoreRequest } from '../types';
import type { Decoder } from './decoder';

/** A sequence and the tokens of it that are asked about. */
interface Scored {
  request: ScoreRequest;
  /** Logits are wanted after positions 0..wanted − 1. */
  wanted: number;
  slot: number;
}

/** For each request the log-probability of ids[1], ids[2], …; the requests are valid. */
export async function scoreRows(
  decoder: Decoder,
  requests: readonly ScoreRequest[],
  slotOf: (request: ScoreRequest) => number,
  targets: ReadonlySet<Projection>,
): Promise<Float32Array[]> {
  const scored = requests.map((request) => ({ request, wanted: request.ids.length - 1, slot: slotOf(request) }));
  const results = scored.map(({ wanted }) => new Float32Array(wanted));
  await forEachBlock(decoder, scored, targets, async (at, places) => {
    const ids = places.map(({ index, position }) => requests[index]!.ids[position + 1] as number);
    const logprobs = await decoder.score(at, ids);
    places.forEach(({ index, position }, i) => (results[index]![position] = logprobs[i] as number));
  });
  return results;
}

/** Logits [T, V] after every position; the request is valid. */
export async function logitsOfRow(
  decoder: Decoder,
  request: ScoreRequest,
  slot: number,
  targets: ReadonlySet<Projection>,
  vocabSize: number,
): Promise<Float32Array> {
  const result = new Float32Array(request.ids.length * vocabSize);
  await forEachBlock(decoder, [{ request, wanted: request.ids.length, slot }], targets, async (at, places) => {
    const logits = await decoder.readLogits(at);
    places.forEach(({ position }, i) => {
      result.set(logits.subarray(i * vocabSize, (i + 1) * vocabSize), position * vocabSize);
    });
  });
  return result;
}

/** Where a line of logits belongs: after `position` of the sequence `index`. */
interface Place {
  index: number;
  position: number;
}

/**
 * Runs all sequences, several in a batch, long ones through several batches, and calls `visit` with tokens of the current
 * batch whose logits are wanted, at most a block of logits at a time.
 */
async function forEachBlock(
  decoder: Decoder,
  scored: readonly Scored[],
  targets: ReadonlySet<Projection>,
  visit: (at: number[], places: Place[]) => Promise<void>,
): Promise<void> {
  const { batch } = decoder;
  const { maxRows, logitsRows } = decoder.sizes;
  let index = 0;
  let position = 0;
  while (index < scored.length) {
    batch.clear();
    const at: number[] = [];
    const places: Place[] = [];
    // The row of a sequence that began in an earlier batch is kept: rows are numbered by index.
    const last = index + maxRows;
    while (index < scored.length && index < last && batch.room > 0) {
      const { request, wanted, slot } = scored[index] as Scored;
      for (; position < request.ids.length && batch.room > 0; position++) {
        if (position < wanted) {
          at.push(batch.count);
          places.push({ index, position });
        }
        batch.add(request.ids[position] as number, index % maxRows, position, slot);
      }
      if (position < request.ids.length) break;
      index++;
      position = 0;
    }
    decoder.run(targets);
    for (let first = 0; first < at.length; first += logitsRows) {
      await visit(at.slice(first, first + logitsRows), places.slice(first, first + logitsRows));
    }
  }
}
