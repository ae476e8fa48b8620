/** Generation: rows join the batch as there is room, decode together several tokens per read, leave as they end. */

import { drawWords } from '../../random';
import { padRows, SETTINGS_WORDS, STATE_WORDS } from '../buffers';
import type { GenerateOptions, GenerateRequest, GenerateResult, Projection } from '../types';
import type { Decoder } from './decoder';

interface ActiveRow {
  /** Index of the request. */
  index: number;
  request: GenerateRequest;
  /** Region of the cache. */
  row: number;
  slot: number;
  /** Prompt ids that are in the cache or in the batch being filled. */
  prefilled: number;
  result: GenerateResult;
  ended: boolean;
}

/** The requests are valid. Results in the order of the requests; `slotOf` is the slot of a request's adapter. */
export async function generateRows(
  decoder: Decoder,
  requests: readonly GenerateRequest[],
  slotOf: (request: GenerateRequest) => number,
  targets: ReadonlySet<Projection>,
  options: GenerateOptions,
): Promise<GenerateResult[]> {
  const results = new Array<GenerateResult>(requests.length);
  const free = Array.from({ length: decoder.sizes.maxRows }, (_, i) => decoder.sizes.maxRows - 1 - i);
  let next = 0;
  let active: ActiveRow[] = [];
  const retire = (): void => {
    for (const row of active) {
      if (!row.ended) continue;
      results[row.index] = row.result;
      free.push(row.row);
      options.onRow?.(row.index, row.result);
    }
    active = active.filter((row) => !row.ended);
  };
  while (active.length > 0 || next < requests.length) {
    options.signal?.throwIfAborted();
    const newcomers: ActiveRow[] = [];
    while (free.length > 0 && next < requests.length) {
      const request = requests[next] as GenerateRequest;
      newcomers.push(startRow(decoder, request, next, free.pop() as number, slotOf(request)));
      next += 1;
    }
    if (newcomers.length > 0) {
      await prefill(decoder, newcomers, targets, options);
      active.push(...newcomers);
      // Rows of one adapter side by side: four of them share its loads.
      active.sort((a, b) => a.slot - b.slot || a.row - b.row);
      retire();
    }
    if (active.length === 0) continue;
    await decode(decoder, active, targets, options);
    retire();
  }
  return results;
}

function startRow(decoder: Decoder, request: GenerateRequest, index: number, row: number, slot: number): ActiveRow {
  const { temperature, topP, topK } = request.sampling;
  const [, counter1, counter2, counter3, key0, key1] = drawWords(request.key, 0);
  const settings = new Uint32Array(SETTINGS_WORDS);
  new Float32Array(settings.buffer).set([temperature, topP]);
  settings.set([topK, key0, key1, counter1, counter2, counter3], 2);
  // Sampling moves the position on by one; the first sampled token then stands right after the prompt.
  const state = new Uint32Array(STATE_WORDS);
  state[0] = request.ids.length - 1;
  decoder.setRow(row, settings, state, slot);
  const result: GenerateResult = { ids: [], logprobs: [], margins: [], finish: 'length' };
  return { index, request, row, slot, prefilled: 0, result, ended: false };
}

/** Brings prompts into the cache, batch by batch, and samples each row's first token. */
async function prefill(
  decoder: Decoder,
  rows: readonly ActiveRow[],
  targets: ReadonlySet<Projection>,
  options: GenerateOptions,
): Promise<void> {
  const { batch } = decoder;
  let from = 0;
  while (from < rows.length) {
    options.signal?.throwIfAborted();
    batch.clear();
    const complete: ActiveRow[] = [];
    const at: number[] = [];
    while (from < rows.length && batch.room > 0) {
      const row = rows[from] as ActiveRow;
      const { ids } = row.request;
      for (; row.prefilled < ids.length && batch.room > 0; row.prefilled++) {
        batch.add(ids[row.prefilled] as number, row.row, row.prefilled, row.slot);
      }
      if (row.prefilled < ids.length) break;
      complete.push(row);
      at.push(batch.count - 1);
      from++;
    }
    decoder.run(targets);
    if (complete.length === 0) continue;
    const sampled = await decoder.sample(
      complete.map((row) => row.row),
      at,
    );
    complete.forEach((row, i) => takeTokens(row, sampled, [i], options));
  }
}

/** Several decode steps of all rows; rows that end in between idle until the next read. */
async function decode(
  decoder: Decoder,
  rows: readonly ActiveRow[],
  targets: ReadonlySet<Projection>,
  options: GenerateOptions,
): Promise<void> {
  const longest = Math.max(...rows.map(({ request, result }) => request.sampling.maxTokens - result.ids.length));
  const steps = Math.min(decoder.stepsPerRead, longest);
  const sampled = await decoder.decode(
    rows.map((row) => row.row),
    steps,
    targets,
  );
  const lines = padRows(rows.length);
  rows.forEach((row, i) => {
    const places = Array.from({ length: steps }, (_, step) => step * lines + i);
    takeTokens(row, sampled, places, options);
  });
}

/** Appends the tokens in `sampled` at these places to a row, up to where it ends. */
function takeTokens(row: ActiveRow, sampled: Uint32Array, places: readonly number[], options: GenerateOptions): void {
  const { result } = row;
  const { stopIds, maxTokens } = row.request.sampling;
  const floats = new Float32Array(sampled.buffer);
  const before = result.ids.length;
  for (const place of places) {
    const id = sampled[place * STATE_WORDS] as number;
    result.ids.push(id);
    result.logprobs.push(floats[place * STATE_WORDS + 1] as number);
    result.margins.push(floats[place * STATE_WORDS + 2] as number);
    if (stopIds.includes(id)) result.finish = 'stop';
    row.ended = result.finish === 'stop' || result.ids.length >= maxTokens;
    if (row.ended) break;
  }
  options.onTokens?.(row.index, result.ids.slice(before));
}
