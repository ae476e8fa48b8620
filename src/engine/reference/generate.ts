/** Generation: rows join the batch as there is room, are decoded together one token at a time, leave as they end. */
import { checkSampled } from '../finite';
import { partsOf } from '../mixture';
import type { AdapterId, GenerateOptions, GenerateRequest, GenerateResult } from '../types';
import { forEachLogitsBlock, forwardSpans, gatherRows } from './forward';
import type { KvCache, Span } from './layer';
import type { Decoder, LoadedAdapter } from './model';
import { Pacer } from './pacer';
import { sampleMixture, sampleToken, type SampledToken } from './sampler';

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
  /** How many there are, taken or not. */
  readonly made: number;
  take(): KvCache;
  give(cache: KvCache): void;
}

/** What computes a row: one part, or those of a mixture, which share the sampled token. */
interface RowPart {
  adapter: LoadedAdapter | null;
  weight: number;
  cache: KvCache;
  /** Of the last step [V]; kept for a mixture alone. */
  logits: Float32Array | null;
}

interface ActiveRow extends IndexedRequest {
  parts: RowPart[];
  /** Positions in the caches. */
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
 * Decodes what the source gives, at most `maxRows` together, of which a mixture takes one for each of its parts; `onRow` is called with every result. The requests are valid.
 * @throws NonFiniteError
 */
export async function generateRows(
  decoder: Decoder,
  source: RowSource,
  adapterOf: (id: AdapterId | null) => LoadedAdapter | null,
  maxRows: number,
  caches: CachePool,
  options: RowWatch,
): Promise<void> {
  const pacer = new Pacer(options.signal);
  let active: ActiveRow[] = [];
  /** Rows that were given and have no room yet. */
  let waiting: IndexedRequest[] = [];
  let more = true;
  const leave = (row: ActiveRow): void => {
    row.parts.forEach(({ cache }) => caches.give(cache));
    options.onRow(row.index, row.result);
  };
  try {
    while (active.length > 0 || waiting.length > 0 || more) {
      let room = maxRows - active.reduce((sum, { parts }) => sum + parts.length, 0);
      if (more && room > 0 && waiting.length === 0) {
        const given: GivenRows = await source(room);
        more = given.more;
        waiting = given.rows;
      }
      while (waiting.length > 0) {
        const { index, request } = waiting[0] as IndexedRequest;
        const named = partsOf(request);
        if (named.length > room) break;
        room -= named.length;
        waiting = waiting.slice(1);
        const row = startRow(index, request, adapterOf, caches);
        join(active, row);
        await step(decoder, [row], true, options, pacer);
      }
      active = keepOpen(active, leave);
      if (active.length === 0) continue;
      await step(decoder, active, false, options, pacer);
      active = keepOpen(active, leave);
    }
  } finally {
    for (const { parts } of active) parts.forEach(({ cache }) => caches.give(cache));
  }
}

function startRow(
  index: number,
  request: GenerateRequest,
  adapterOf: (id: AdapterId | null) => LoadedAdapter | null,
  caches: CachePool,
): ActiveRow {
  const result: GenerateResult = { ids: [], logprobs: [], margins: [], finish: 'length' };
  const parts = partsOf(request).map(({ adapter, weight }, _, all): RowPart => {
    const logits = all.length > 1 ? new Float32Array() : null;
    return { adapter: adapterOf(adapter), weight, cache: caches.take(), logits };
  });
  return { index, request, parts, length: 0, result };
}

/** Rows of one adapter lie side by side: their products are computed together. */
function join(active: ActiveRow[], row: ActiveRow): void {
  const last = active.findLastIndex(({ parts }) => parts[0].adapter === row.parts[0].adapter);
  active.splice(last < 0 ? active.length : last + 1, 0, row);
}

function keepOpen(active: ActiveRow[], leave: (row: ActiveRow) => void): ActiveRow[] {
  if (!active.some(isEnded)) return active;
  active.filter(isEnded).forEach(leave);
  return active.filter((row) => !isEnded(row));
}

function isEnded({ request, result }: ActiveRow): boolean {
  return result.finish === 'stop' || result.ids.length >= request.sampling.maxTokens;
}

/** Runs each part of each row over the prompt, or over the last token, and samples the token after it. */
async function step(
  decoder: Decoder,
  rows: readonly ActiveRow[],
  prompts: boolean,
  options: RowWatch,
  pacer: Pacer,
): Promise<void> {
  const { hiddenSize: D, vocabSize: V } = decoder.config;
  const entries = byAdapter(rows.flatMap((row) => row.parts.map((part) => ({ row, part }))));
  const spans = entries.map(({ row: { request, result, length }, part: { cache, adapter } }): Span => {
    return { ids: prompts ? request.ids : result.ids.slice(-1), start: length, cache, adapter };
  });
  decoder.arithmetic.scratch.begin();
  const { x } = await forwardSpans(decoder, spans, false, pacer);
  let position = -1;
  const lasts = spans.map((span) => (position += span.ids.length));
  const selected = gatherRows(decoder, x, lasts, D);
  await forEachLogitsBlock(decoder, selected, entries.length, pacer, (logits, first, count) => {
    for (let r = 0; r < count; r++) {
      const { row, part } = entries[first + r];
      if (part.logits === null) sampleRow(row, logits, r, V);
      else part.logits = logits.slice(r * V, (r + 1) * V);
    }
  });
  for (const row of rows) {
    if (row.parts[0].logits !== null) sampleMixed(row);
    row.length += prompts ? row.request.ids.length : 1;
    options.onTokens?.(row.index, row.result.ids.slice(-1));
  }
  options.onStep?.();
  if (pacer.due) await pacer.pause();
}

/** In the order in which adapters come first. */
function byAdapter<E extends { part: RowPart }>(entries: readonly E[]): E[] {
  const groups = new Map<LoadedAdapter | null, E[]>();
  for (const entry of entries) {
    const group = groups.get(entry.part.adapter);
    if (group) group.push(entry);
    else groups.set(entry.part.adapter, [entry]);
  }
  return [...groups.values()].flat();
}

function sampleRow(row: ActiveRow, logits: Float32Array, r: number, V: number): void {
  const { sampling, key } = row.request;
  const sampled = sampleToken(logits, r, V, sampling, key, row.result.ids.length);
  append(row, { ...sampled, margin: V > 1 ? sampled.margin : 0 });
}

function sampleMixed(row: ActiveRow): void {
  const { sampling, key } = row.request;
  const parts = row.parts.map(({ logits, weight }) => ({ logits: logits as Float32Array, weight }));
  append(row, sampleMixture(parts, sampling, key, row.result.ids.length));
}

function append({ index, request, result }: ActiveRow, { id, logprob, margin }: SampledToken): void {
  checkSampled(request, index, result.ids.length, { logprob, margin });
  result.ids.push(id);
  result.logprobs.push(logprob);
  result.margins.push(margin);
  if (request.sampling.stopIds.includes(id)) result.finish = 'stop';
}
