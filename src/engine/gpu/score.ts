/**
 * Scoring: whole sequences through the decoder in batches, logits block by block, never all at once. What the sequences of
 * one call have in common at their beginnings is computed and scored once.
 */

import { checkEmbedding, checkLogitValues, checkRewards, checkScores } from '../finite';
import { HashedIds, type Sharing } from '../prefix';
import type { AdapterId, Projection, ScoreRequest } from '../types';
import type { Decoder } from './decoder';
import { prefill, startSequence, type Prefilled, type RowWeights, type Stretch } from './prefill';

/** A sequence whose logits are wanted after each of its first `length` tokens. */
interface Scored extends Prefilled {
  index: number;
}

/** For each request the log-probability of ids[1], ids[2], …; the requests are valid. @throws NonFiniteError */
export async function scoreRows(
  decoder: Decoder,
  requests: readonly ScoreRequest[],
  weightsOf: (request: ScoreRequest) => RowWeights,
  targets: ReadonlySet<Projection>,
  shareBeginnings: boolean,
): Promise<Float32Array[]> {
  const results = requests.map(({ ids }) => new Float32Array(ids.length - 1));
  const { maxRows } = decoder.sizes;
  for (let first = 0; first < requests.length; first += maxRows) {
    const scored = requests
      .slice(first, first + maxRows)
      .map((request, i) => startScored(request, first + i, request.ids.length - 1, weightsOf(request)));
    await forEachBlock(decoder, scored, targets, shareBeginnings, async (at, places) => {
      const ids = places.map(({ index, position }) => (requests[index] as ScoreRequest).ids[position + 1] as number);
      const logprobs = await decoder.score(at, ids);
      places.forEach(({ index, position }, i) => {
        (results[index] as Float32Array)[position] = logprobs[i] as number;
      });
    });
    for (const { index, copy } of scored) {
      if (!copy?.of) continue;
      const source = results[(copy.of as Scored).index] as Float32Array;
      (results[index] as Float32Array).set(source.subarray(0, copy.length));
    }
  }
  requests.forEach(({ adapter }, row) => checkScores(adapter, row, results[row] as Float32Array));
  return results;
}

/** For each request the mean of its hidden states after the final norm [D]; the requests are valid. @throws NonFiniteError */
export async function embedRows(
  decoder: Decoder,
  requests: readonly ScoreRequest[],
  weightsOf: (request: ScoreRequest) => RowWeights,
  targets: ReadonlySet<Projection>,
  hiddenSize: number,
): Promise<Float32Array[]> {
  const results = requests.map(() => new Float32Array(hiddenSize));
  const { maxRows } = decoder.sizes;
  for (let first = 0; first < requests.length; first += maxRows) {
    const batch = requests.slice(first, first + maxRows);
    const scored = batch.map((request, i) => startScored(request, first + i, request.ids.length, weightsOf(request)));
    await forEachBlock(decoder, scored, targets, false, async (at, places) => {
      const hidden = await decoder.readHidden(at);
      places.forEach(({ index }, i) => {
        const sum = results[index] as Float32Array;
        for (let d = 0; d < hiddenSize; d++) sum[d] = (sum[d] as number) + (hidden[i * hiddenSize + d] as number);
      });
    });
  }
  results.forEach((sum, index) => {
    const { length } = (requests[index] as ScoreRequest).ids;
    for (let d = 0; d < hiddenSize; d++) sum[d] = (sum[d] as number) / length;
    checkEmbedding((requests[index] as ScoreRequest).adapter, index, sum);
  });
  return results;
}

/**
 * For each request the reward [B]: the head of its adapter times the hidden state of its last position after the final norm. The
 * requests are valid. @throws NonFiniteError
 */
export async function rewardRows(
  decoder: Decoder,
  requests: readonly ScoreRequest[],
  weightsOf: (request: ScoreRequest) => RowWeights,
  targets: ReadonlySet<Projection>,
  heads: ReadonlyMap<AdapterId, Float32Array>,
): Promise<Float32Array> {
  const rewards = new Float32Array(requests.length);
  const { maxRows } = decoder.sizes;
  for (let first = 0; first < requests.length; first += maxRows) {
    const batch = requests.slice(first, first + maxRows);
    const scored = batch.map((request, i) => startScored(request, first + i, request.ids.length, weightsOf(request)));
    await forEachBlock(decoder, scored, targets, false, async (at, places) => {
      const isLast = ({ index, position }: Place): boolean => position === (requests[index]?.ids.length ?? 0) - 1;
      const last = places.flatMap((place, i) => (isLast(place) ? [i] : []));
      if (last.length === 0) return;
      const hidden = await decoder.readHidden(last.map((i) => at[i] as number));
      last.forEach((i, line) => {
        const { index } = places[i] as Place;
        const head = heads.get(requests[index]?.adapter as AdapterId) as Float32Array;
        let sum = 0;
        for (let d = 0; d < head.length; d++) sum += (head[d] as number) * (hidden[line * head.length + d] as number);
        rewards[index] = sum;
      });
    });
  }
  return checkRewards(
    requests.map(({ adapter }) => adapter),
    rewards,
  );
}

/** Logits [T, V] after every position; the request is valid. @throws NonFiniteError */
export async function logitsOfRow(
  decoder: Decoder,
  request: ScoreRequest,
  weights: RowWeights,
  targets: ReadonlySet<Projection>,
  vocabSize: number,
): Promise<Float32Array> {
  const result = new Float32Array(request.ids.length * vocabSize);
  const scored = [startScored(request, 0, request.ids.length, weights)];
  await forEachBlock(decoder, scored, targets, false, async (at, places) => {
    const logits = await decoder.readLogits(at);
    places.forEach(({ position }, i) => {
      result.set(logits.subarray(i * vocabSize, (i + 1) * vocabSize), position * vocabSize);
    });
  });
  checkLogitValues(request.adapter, result, vocabSize);
  return result;
}

function startScored(request: ScoreRequest, index: number, length: number, weights: RowWeights): Scored {
  return { ...startSequence(HashedIds.of(request.ids), length, weights), index };
}

/** Where a line of logits belongs: after `position` of the sequence `index`. */
interface Place {
  index: number;
  position: number;
}

/**
 * Runs at most maxRows sequences and calls `visit` with tokens of the current batch and their places, at most a block of
 * logits at a time. With `shareBeginnings` the places that a sequence shares with another (`copy`) are left out.
 */
async function forEachBlock(
  decoder: Decoder,
  scored: readonly Scored[],
  targets: ReadonlySet<Projection>,
  shareBeginnings: boolean,
  visit: (at: number[], places: Place[]) => Promise<void>,
): Promise<void> {
  const { maxRows, logitsRows } = decoder.sizes;
  const free = Array.from({ length: maxRows }, (_, row) => row);
  const sharing: Sharing = {
    // Rows have keys and values from earlier calls, but nobody has kept the scores.
    rows: false,
    sequences: shareBeginnings,
    // After its last token in common a sequence asks for another token than the one it shares with.
    reusable: (common) => common - 1,
  };
  const visitBatch = async (stretches: Stretch<Scored>[]): Promise<void> => {
    const places = stretches.flatMap(({ sequence, from, to }) =>
      Array.from({ length: to - from }, (_, i) => ({ index: sequence.index, position: from + i })),
    );
    const at = places.map((_, i) => i);
    for (let first = 0; first < at.length; first += logitsRows) {
      await visit(at.slice(first, first + logitsRows), places.slice(first, first + logitsRows));
    }
  };
  await prefill(decoder, scored, free, sharing, targets, visitBatch);
}
