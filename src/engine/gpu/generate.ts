/**
 * Generation: rows join the batch as there is room, decode together several tokens per read, leave as they end.
 *
 * Newcomers are prefilled in one go while the rows that decode wait. Nothing is lost by that: what counts is when all rows have
 * ended, prefill and decoding are the same work in any order, and the later the decoding, the more rows share its reads of
 * the weights. Only the first wave of a call is large; from then on a row joins when one has left.
 */

import { drawWords } from '../../random';
import { padRows, SETTINGS_WORDS, STATE_WORDS } from '../buffers';
import { checkSampled } from '../finite';
import { HashedIds, LEAST_SHARED, type Sharing } from '../prefix';
import { partsOf } from '../mixture';
import type { AdapterId, GenerateOptions, GenerateRequest, GenerateResult, Projection } from '../types';
import type { Decoder } from './decoder';
import { prefill, startSequence, type Prefilled, type RowWeights, type Stretch } from './prefill';

interface ActiveRow extends Prefilled {
  /** Weight in a mixture, and its other parts. */
  share: number;
  others: Part[];
  /** Index of the request. */
  index: number;
  request: GenerateRequest;
  result: GenerateResult;
  ended: boolean;
}

/** One part of a mixture beside the first. */
interface Part extends Prefilled {
  share: number;
}

/** The requests are valid. Results in the order of the requests. @throws NonFiniteError */
export async function generateRows(
  decoder: Decoder,
  requests: readonly GenerateRequest[],
  weightsOf: (adapter: AdapterId | null) => RowWeights,
  targets: ReadonlySet<Projection>,
  options: GenerateOptions,
  shareBeginnings: boolean,
): Promise<GenerateResult[]> {
  const results = new Array<GenerateResult>(requests.length);
  const free = new Set(Array.from({ length: decoder.sizes.maxRows }, (_, row) => row));
  const sharing: Sharing = {
    rows: shareBeginnings,
    sequences: shareBeginnings,
    // The last token of a prompt is always computed: its logits are wanted.
    reusable: (common, { length }) => Math.min(common, Math.max(0, length - 1)),
  };
  const waiting = shareBeginnings ? heldFirst(decoder, requests, weightsOf) : requests.map((_, index) => index);
  let next = 0;
  let active: ActiveRow[] = [];
  /** Steps that are queued and not read. */
  let ahead: Round | null = null;
  const leave = (row: ActiveRow): void => {
    // The last token sampled was not computed for certain.
    const { others, request, result } = row;
    // A mixture's rows go on from the prompt's last token.
    const first = others.length > 0 && result.ids.length > 0 ? [request.ids[request.ids.length - 1]] : [];
    for (const part of [row, ...others]) {
      if (part.cached === part.length) decoder.contents.append(part.row, [...first, ...result.ids.slice(0, -1)]);
      free.add(part.row);
    }
  };
  const retire = (): void => {
    const ended = active.filter((row) => row.ended);
    active = active.filter((row) => !row.ended);
    for (const row of ended) {
      results[row.index] = row.result;
      leave(row);
      options.onRow?.(row.index, row.result);
    }
  };
  try {
    while (active.length > 0 || next < requests.length) {
      options.signal?.throwIfAborted();
      const newcomers: ActiveRow[] = [];
      for (let room = free.size; next + newcomers.length < waiting.length;) {
        const index = waiting[next + newcomers.length] as number;
        const row = startRow(requests[index] as GenerateRequest, index, weightsOf);
        room -= 1 + row.others.length;
        if (room < 0) break;
        newcomers.push(row);
      }
      if (newcomers.length > 0) {
        next += newcomers.length;
        await admit(decoder, newcomers, free, sharing, targets, options);
        newcomers.forEach((row) => [row, ...row.others].forEach((part) => free.delete(part.row)));
        active.push(...newcomers);
        // Rows of one adapter side by side: four of them share its loads.
        active.sort((a, b) => a.slot - b.slot || a.row - b.row);
        retire();
      }
      if (active.length === 0) continue;
      const round: Round | null = ahead ?? queueRound(decoder, active, targets, null);
      ahead = null;
      if (round === null) throw new RangeError('rows that have all their tokens decode');
      // The read is queued before further steps, which change what is read.
      const sampled = decoder.sampledInSteps(round.parts, round.steps);
      sampled.catch(() => {});
      if (decoder.runsAhead) ahead = queueRound(decoder, active, targets, round);
      takeRound(round, await sampled, options);
      retire();
    }
  } finally {
    active.forEach(leave);
  }
  return results;
}

/** Indices of the requests: those that a row can help most first, before others take that row. */
function heldFirst(
  { contents, sizes }: Decoder,
  requests: readonly GenerateRequest[],
  weightsOf: (adapter: AdapterId | null) => RowWeights,
): number[] {
  const indices = requests.map((_, index) => index);
  if (requests.length <= sizes.maxRows) return indices;
  const held = requests.map((request) => {
    const longest = contents.longest({
      hashed: HashedIds.of(request.ids),
      version: weightsOf(partsOf(request)[0].adapter).version,
    });
    return longest < LEAST_SHARED ? 0 : longest;
  });
  return indices.sort((a, b) => (held[b] as number) - (held[a] as number));
}

/** Of a mixture all tokens of the prompt but the last are prefilled; decoding begins with that one, for all its parts at once. */
function startRow(
  request: GenerateRequest,
  index: number,
  weightsOf: (adapter: AdapterId | null) => RowWeights,
): ActiveRow {
  const result: GenerateResult = { ids: [], logprobs: [], margins: [], finish: 'length' };
  const named = partsOf(request);
  const length = request.ids.length - (named.length > 1 ? 1 : 0);
  const hashed = HashedIds.of(request.ids);
  const [first, ...others] = named.map(({ adapter, weight }): Part => {
    return { ...startSequence(hashed, length, weightsOf(adapter)), share: weight };
  });
  return { ...first, others, index, request, result, ended: false };
}

/** Brings the newcomers' prompts into the cache and samples each row's first token. */
async function admit(
  decoder: Decoder,
  newcomers: readonly ActiveRow[],
  free: ReadonlySet<number>,
  sharing: Sharing,
  targets: ReadonlySet<Projection>,
  options: GenerateOptions,
): Promise<void> {
  const plain = new Map<Prefilled, ActiveRow>(newcomers.flatMap((row) => (row.others.length > 0 ? [] : [[row, row]])));
  const visit = async (stretches: Stretch<Prefilled>[]): Promise<void> => {
    const complete = stretches.filter(({ sequence, to }) => plain.has(sequence) && to === sequence.length);
    if (complete.length === 0) return;
    const rows = complete.map(({ sequence }) => plain.get(sequence) as ActiveRow);
    rows.forEach((row) => setRow(decoder, row, row, 1));
    const sampled = await decoder.sample(
      rows.map(({ row }) => row),
      complete.map(({ at, from, to }) => at + to - from - 1),
    );
    rows.forEach((row, i) => takeTokens(row, sampled, [i], options));
  };
  const sequences = newcomers.flatMap((row) => [row, ...row.others]);
  await prefill(decoder, sequences, free, sharing, targets, visit, options.signal);
  for (const row of newcomers) {
    if (row.others.length === 0) continue;
    [row, ...row.others].forEach((part, k) => setRow(decoder, row, part, k === 0 ? row.others.length + 1 : 0));
  }
}

/** @param parts see sampling_settings.wgsl */
function setRow(decoder: Decoder, { request, others }: ActiveRow, { row, slot, share }: Part, parts: number): void {
  const { temperature, topP, topK } = request.sampling;
  const [, counter1, counter2, counter3, key0, key1] = drawWords(request.key, 0);
  const settings = new Uint32Array(SETTINGS_WORDS);
  new Float32Array(settings.buffer).set([temperature, topP]);
  settings.set([topK, key0, key1, counter1, counter2, counter3, parts], 2);
  new Float32Array(settings.buffer)[9] = share;
  // Sampling moves the position on by one; the first sampled token then stands right after the prompt.
  const state = new Uint32Array(STATE_WORDS);
  state[0] = request.ids.length - 1;
  // A mixture's first step computes the prompt's last token.
  if (others.length > 0) state[1] = request.ids[request.ids.length - 1];
  decoder.setRow(row, settings, state, slot);
}

/** Decode steps that are queued. */
interface Round {
  rows: readonly ActiveRow[];
  /** Rows of the cache that decode. */
  parts: number;
  steps: number;
}

/**
 * Queues several decode steps of the rows; those that end in between idle until they are read. Idling wastes half a read's steps
 * of a row at its end; reading oftener would make the device wait for the host at every read of the whole generation. A GPU gets its
 * next steps before the ones before are read, so a row that stops by a token idles for as many again.
 * @param unread the round before, where it is not read yet
 * @returns null where no row has a token left
 */
function queueRound(
  decoder: Decoder,
  among: readonly ActiveRow[],
  targets: ReadonlySet<Projection>,
  unread: Round | null,
): Round | null {
  const queued = new Set(unread?.rows);
  const left = (row: ActiveRow): number =>
    row.request.sampling.maxTokens - row.result.ids.length - (queued.has(row) ? (unread?.steps ?? 0) : 0);
  const rows = among.filter((row) => left(row) > 0);
  if (rows.length === 0) return null;
  const steps = Math.min(decoder.stepsPerRead, Math.max(...rows.map(left)));
  const parts = rows.flatMap((row) => [row, ...row.others]);
  const unreadSteps = unread?.steps ?? 0;
  const longest = Math.max(...rows.map(({ request, result }) => request.ids.length + result.ids.length));
  decoder.decode(
    parts.map(({ row }) => row),
    steps,
    targets,
    longest + unreadSteps + steps,
    parts.length > rows.length,
  );
  return { rows, parts: parts.length, steps };
}

/** Appends what a round has sampled to its rows. */
function takeRound({ rows, parts, steps }: Round, sampled: Uint32Array, options: GenerateOptions): void {
  const lines = padRows(parts);
  let line = 0;
  rows.forEach((row) => {
    const at = line;
    line += 1 + row.others.length;
    // What a row samples after its end is nobody's.
    if (row.ended) return;
    const places = Array.from({ length: steps }, (_, step) => step * lines + at);
    takeTokens(row, sampled, places, options);
  });
}

/** Appends the tokens in `sampled` at these places to a row, up to where it ends. @throws NonFiniteError */
function takeTokens(row: ActiveRow, sampled: Uint32Array, places: readonly number[], options: GenerateOptions): void {
  const { result } = row;
  const { stopIds, maxTokens } = row.request.sampling;
  const floats = new Float32Array(sampled.buffer);
  const before = result.ids.length;
  for (const place of places) {
    const id = sampled[place * STATE_WORDS] as number;
    const logprob = floats[place * STATE_WORDS + 1] as number;
    const margin = floats[place * STATE_WORDS + 2] as number;
    checkSampled(row.request, row.index, result.ids.length, { logprob, margin });
    result.ids.push(id);
    result.logprobs.push(logprob);
    result.margins.push(margin);
    if (stopIds.includes(id)) result.finish = 'stop';
    row.ended = result.finish === 'stop' || result.ids.length >= maxTokens;
    if (row.ended) break;
  }
  options.onTokens?.(row.index, result.ids.slice(before));
}
