/** Generation: rows join the batch as there is room, are decoded together one token at a time, leave as they end. */
import { checkSampled } from '../finite';
import type { GenerateOptions, GenerateRequest, GenerateResult } from '../types';
import { createCache, forEachLogitsBlock, forwardSpans, gatherRows } from './forward';
import type { KvCache, Span } from './layer';
import type { Decoder, LoadedAdapter } from './model';
import { Pacer } from './pacer';
import { sampleToken } from './sampler';
import type { Scratch } from './scratch';

interface ActiveRow {
  index: number;
  request: GenerateRequest;
  adapter: LoadedAdapter | null;
  cache: KvCache;
  /** Positions in the cache. */
  length: number;
  result: GenerateResult;
}

/** The requests are valid. Results in the order of the requests. @throws NonFiniteError */
export async function generateRows(
  decoder: Decoder,
  requests: readonly GenerateRequest[],
  adapterOf: (request: GenerateRequest) => LoadedAdapter | null,
  maxRows: number,
  options: GenerateOptions,
  scratch: Scratch,
): Promise<GenerateResult[]> {
  const pacer = new Pacer(options.signal);
  const results: GenerateResult[] = new Array(requests.length);
  let next = 0;
  let active: ActiveRow[] = [];
  const end = (row: ActiveRow): void => {
    results[row.index] = row.result;
    options.onRow?.(row.index, row.result);
  };
  while (active.length > 0 || next < requests.length) {
    while (active.length < maxRows && next < requests.length) {
      const row = startRow(decoder, requests[next], next, adapterOf(requests[next]));
      next += 1;
      const span = { ids: row.request.ids, start: 0, cache: row.cache, adapter: row.adapter };
      await step(decoder, [row], [span], options, scratch, pacer);
      if (isEnded(row)) end(row);
      else active.push(row);
    }
    if (active.length === 0) continue;
    await step(decoder, active, active.map(lastToken), options, scratch, pacer);
    active.filter(isEnded).forEach(end);
    active = active.filter((row) => !isEnded(row));
  }
  return results;
}

function startRow(decoder: Decoder, request: GenerateRequest, index: number, adapter: LoadedAdapter | null): ActiveRow {
  const cache = createCache(
    decoder.config,
    request.ids.length + request.sampling.maxTokens,
    decoder.cache,
    decoder.saturation,
  );
  return {
    index,
    request,
    adapter,
    cache,
    length: 0,
    result: { ids: [], logprobs: [], margins: [], finish: 'length' },
  };
}

function lastToken(row: ActiveRow): Span {
  return { ids: row.result.ids.slice(-1), start: row.length, cache: row.cache, adapter: row.adapter };
}

function isEnded({ request, result }: ActiveRow): boolean {
  return result.finish === 'stop' || result.ids.length >= request.sampling.maxTokens;
}

/** Runs one span per row and samples the token after each span's last position. */
async function step(
  decoder: Decoder,
  rows: readonly ActiveRow[],
  spans: readonly Span[],
  options: GenerateOptions,
  scratch: Scratch,
  pacer: Pacer,
): Promise<void> {
  const { hiddenSize: D, vocabSize: V } = decoder.config;
  const { x } = await forwardSpans(decoder, spans, false, scratch, pacer);
  let position = -1;
  const lasts = spans.map((span) => (position += span.ids.length));
  const selected = gatherRows(x, lasts, D, scratch);
  await forEachLogitsBlock(decoder, selected, rows.length, scratch, pacer, (logits, first, count) => {
    for (let r = 0; r < count; r++) {
      const row = rows[first + r];
      row.length += spans[first + r].ids.length;
      appendToken(row, logits, r, V);
    }
  });
  for (const row of rows) options.onTokens?.(row.index, row.result.ids.slice(-1));
  if (pacer.due) await pacer.pause();
}

function appendToken({ index, request, result }: ActiveRow, logits: Float32Array, r: number, V: number): void {
  const { sampling, key } = request;
  const { id, logprob, margin } = sampleToken(logits, r, V, sampling, key, result.ids.length);
  checkSampled(request, index, result.ids.length, { logprob, margin: V > 1 ? margin : 0 });
  result.ids.push(id);
  result.logprobs.push(logprob);
  result.margins.push(margin);
  if (sampling.stopIds.includes(id)) result.finish = 'stop';
}
