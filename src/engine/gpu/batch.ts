/**
 * Lays the rows of a training step out as one flat list of tokens: tracks after one another, each padded to whole tiles, so
 * that a tile of the kernels never mixes two adapters. Padding is rows of their own with no target; they change nothing.
 */

import { TRACK_WORDS } from '../buffers';
import type { TrainExample } from '../types';
import { TOKEN_TILE } from './backward';

/** What one adapter learns from in one micro-batch. */
export interface BatchTrack {
  slot: number;
  rows: TrainExample[];
  /** What the weights are divided by: Σ |w| over the track's whole batch, or 1 where they carry the division. */
  weightSum: number;
}

/** Sizes that a batch needs. */
export interface BatchSize {
  /** Tracks padded to whole tiles, and one tile of padding at the end. */
  tokens: number;
  /** Tokens whose next token has a weight. */
  targets: number;
  /** Stretches of rows for attention. */
  tiles: number;
}

/** The flat lists as the kernels read them. */
export interface Batch {
  /** u32 [tokens] each: token id, row, position in the row, adapter slot */
  ids: Uint32Array;
  row: Uint32Array;
  pos: Uint32Array;
  slot: Uint32Array;
  /** u32 quadruples [tiles]: first token of a stretch of one row, first of the row, one past the row's last, 0 */
  tiles: Uint32Array;
  /** u32 [tokens], as many used as there are rows: flat index of the row's first token */
  rowBase: Uint32Array;
  /** u32 [targets] flat index of the token that predicts */
  positions: Uint32Array;
  /** u32 pairs [targets]: id to predict, bits of its f32 weight divided by the track's `weightSum` */
  targets: Uint32Array;
  /** [tracks] entries of TRACK_WORDS */
  tracks: Uint32Array;
}

/** Tokens of a row that matter: those before its last token with a weight. */
export function usedLength(example: TrainExample): number {
  for (let t = example.weights.length - 1; t > 0; t--) if (example.weights[t] !== 0) return t;
  return 0;
}

/** Part `index` of `parts` of a batch in order, sizes as even as possible; may be empty. */
export function microBatch<T>(rows: readonly T[], index: number, parts: number): T[] {
  return rows.slice(Math.floor((index * rows.length) / parts), Math.floor(((index + 1) * rows.length) / parts));
}

/** Size of a batch before it is laid out; `tile` is the longest stretch of a row for attention, at least TOKEN_TILE. */
export function measureBatch(tracks: readonly { rows: readonly TrainExample[] }[], tile: number): BatchSize {
  const size = { tokens: 0, targets: 0, tiles: 0 };
  for (const { rows } of tracks) {
    for (const example of rows) {
      const length = usedLength(example);
      size.tokens += length;
      size.tiles += Math.ceil(length / tile);
      for (let t = 1; t <= length; t++) if (example.weights[t] !== 0) size.targets++;
    }
    const padded = Math.ceil(size.tokens / TOKEN_TILE) * TOKEN_TILE;
    if (padded > size.tokens) size.tiles++;
    size.tokens = padded;
  }
  return { tokens: size.tokens + TOKEN_TILE, targets: size.targets, tiles: size.tiles + 1 };
}

/**
 * Lays a batch out in lists of the given size, at least what `measureBatch` says, `tokens` a multiple of TOKEN_TILE and
 * every TOKEN_TILE tokens more bringing one tile more. The rest of the tokens is padding, the rest of the targets has
 * weight 0 and stands on padding.
 */
export function layOutBatch(tracks: readonly BatchTrack[], size: BatchSize, tile: number): Batch {
  const batch = emptyBatch(tracks.length, size);
  const weights = new Float32Array(batch.targets.buffer);
  const at: Cursor = { token: 0, row: 0, target: 0, stretch: 0, tile };
  tracks.forEach(({ slot, rows, weightSum }, g) => {
    const first = { ...at };
    for (const example of rows) {
      const start = at.token;
      const length = usedLength(example);
      appendRow(batch, at, slot, length, (t) => example.ids[t]);
      for (let t = 1; t <= length; t++) {
        if (example.weights[t] === 0) continue;
        batch.positions[at.target] = start + t - 1;
        batch.targets[2 * at.target] = example.ids[t];
        weights[2 * at.target + 1] = example.weights[t] / weightSum;
        at.target++;
      }
    }
    const entry = [slot, first.token, at.token - first.token, first.target, at.target - first.target];
    batch.tracks.set(entry, g * TRACK_WORDS);
    appendRow(batch, at, slot, -at.token & (TOKEN_TILE - 1), () => 0);
  });
  const lastSlot = tracks[tracks.length - 1].slot;
  while (at.token < size.tokens) appendRow(batch, at, lastSlot, TOKEN_TILE, () => 0);
  batch.positions.fill(size.tokens - 1, at.target);
  return batch;
}

interface Cursor {
  token: number;
  row: number;
  target: number;
  stretch: number;
  /** Longest stretch. */
  tile: number;
}

function emptyBatch(tracks: number, { tokens, targets, tiles }: BatchSize): Batch {
  return {
    ids: new Uint32Array(tokens),
    row: new Uint32Array(tokens),
    pos: new Uint32Array(tokens),
    slot: new Uint32Array(tokens),
    tiles: new Uint32Array(4 * tiles),
    rowBase: new Uint32Array(tokens),
    positions: new Uint32Array(targets),
    targets: new Uint32Array(2 * targets),
    tracks: new Uint32Array(tracks * TRACK_WORDS),
  };
}

function appendRow(batch: Batch, at: Cursor, slot: number, length: number, id: (t: number) => number): void {
  if (length === 0) return;
  const first = at.token;
  for (let t = 0; t < length; t++, at.token++) {
    batch.ids[at.token] = id(t);
    batch.row[at.token] = at.row;
    batch.pos[at.token] = t;
    batch.slot[at.token] = slot;
    if (t % at.tile === 0) batch.tiles.set([at.token, first, first + length], 4 * at.stretch++);
  }
  batch.rowBase[at.row++] = first;
}
