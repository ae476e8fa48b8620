/** Generation: rows join the batch as there is room, are decoded together one token at a time, leave as they end. */
import { checkSampled } from '../finite';
import type { GenerateOptions, GenerateRequest, GenerateResult } from '../types';
import { forEachLogitsBlock, forwardSpans, gatherRows } from './forward';
import type { KvCache, Span } from './layer';
import type { Decoder, LoadedAdapter } from './model';
import { Pacer } from './pacer';
import { sampleToken } from './sampler';

/** A request and its place among those that were asked together. */
export interface IndexedRequest {
  index: number;
  request: GenerateRequest;
}

/** At most as many rows as were asked for, and whether there may be more later. */
export interface GivenRows {
  rows: IndexedRequest[];
  more: boolean;
}

/** Where rows come from, asked for at most `count`. */
export type RowSource = (count: number) => GivenRows | Promise<GivenRows>;

/** Who hears of a generation. */
export interface RowWatch extends Pick<GenerateOptions, 'signal' | 'onTokens'> {
  /** Called after the tokens of a step. */
  onStep?: () => void;
  onRow: (row: number, result: GenerateResult) => void;
}

/** Room for the keys and values of rows. */
export interface CachePool {
  take(): KvCache;
  give(cache: KvCache): void;
}

interface ActiveRow extends IndexedRequest {
  adapter: LoadedAdapter | null;
  cache: KvCache;
  /** Positions in the cache. */
  length: number;
  result: GenerateResult;
}

/** All requests, then none. */
export function listSource(requests: readonly GenerateRequest[]): RowSource {
  let next = 0;
  return (count) => {
    const from = next;
    next = Math.min(requests.length, next + count);
    const rows = requests.slice(from, next).map((request, i) => ({ index: from + i, request }));
    return { rows, more: next < requests.length };
  };
}

/**
 * Decodes what the source gives, at most `maxRows` together; `onRow` is called with every result. The requests are valid.
 * @throws NonFiniteError
 */
export async function generateRows(
  decoder: Decoder,
  source: RowSource,
  adapterOf: (request: GenerateRequest) => LoadedAdapter | null,
  maxRows: number,
  caches: CachePool,
  options: RowWatch,
): Promise<void> {
  const pacer = new Pacer(options.signal);
  let active: ActiveRow[] = [];
  let more = true;
  const leave = (row: ActiveRow): void => {
    caches.give(row.cache);
    options.onRow(row.index, row.result);
  };
  try {
    while (active.length > 0 || more) {
      const room = maxRows - active.length;
      const given: GivenRows = more && room > 0 ? await source(room) : { rows: [], more };
      more = given.more;
      for (const { index, request } of given.rows) {
        const row = startRow(index, request, adapterOf(request), caches.take());
        join(active, row);
        await step(decoder, [row], [{ ...lastToken(row), ids: request.ids }], options, pacer);
      }
      active = keepOpen(active, leave);
      if (active.length === 0) continue;
      await step(decoder, active, active.map(lastToken), options, pacer);
      active = keepOpen(active, leave);
    }
  } finally {
    for (const { cache } of active) caches.give(cache);
  }
}

function startRow(index: number, request: GenerateRequest, adapter: LoadedAdapter | null, cache: KvCache): ActiveRow {
  const result: GenerateResult = { ids: [], logprobs: [], margins: [], finish: 'length' };
  return { index, request, adapter, cache, length: 0, result };
}

/** Rows of one adapter lie side by side: their products are computed together. */
function join(active: ActiveRow[], row: ActiveRow): void {
  const last = active.findLastIndex(({ adapter }) => adapter === row.adapter);
  active.splice(last < 0 ? active.length : last + 1, 0, row);
}

function keepOpen(active: ActiveRow[], leave: (row: ActiveRow) => void): ActiveRow[] {
  if (!active.some(isEnded)) return active;
  active.filter(isEnded).forEach(leave);
  return active.filter((row) => !isEnded(row));
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
  options: RowWatch,
  pacer: Pacer,
): Promise<void> {
  const { hiddenSize: D, vocabSize: V } = decoder.config;
  decoder.arithmetic.scratch.begin();
  const { x } = await forwardSpans(decoder, spans, false, pacer);
  let position = -1;
  const lasts = spans.map((span) => (position += span.ids.length));
  const selected = gatherRows(decoder, x, lasts, D);
  await forEachLogitsBlock(decoder, selected, rows.length, pacer, (logits, first, count) => {
    for (let r = 0; r < count; r++) {
      const row = rows[first + r];
      row.length += spans[first + r].ids.length;
      appendToken(row, logits, r, V);
    }
  });
  for (const row of rows) options.onTokens?.(row.index, row.result.ids.slice(-1));
  options.onStep?.();
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
