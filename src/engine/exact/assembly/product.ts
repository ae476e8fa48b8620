/** Matrix products of any size over the tiles, and the packing of weights for them. Strides and addresses are in bytes. */
import { tile1x16, tile1x8, tile2x16, tile4x8 } from './tiles';

/** Room for a tile of up to 4 × 16 numbers whose last columns are not all there. */
export const EDGE: usize = memory.data(4 * 16 * 4, 16);

/** Rows and columns of a tile that is written only in part go through EDGE. */
@inline
function fetchEdge(c: usize, cRow: usize, rows: i32, columns: i32, width: i32): void {
  for (let r = 0; r < rows; r++) {
    memory.copy(EDGE + ((<usize>(r * width)) << 2), c + <usize>r * cRow, (<usize>columns) << 2);
  }
}

@inline
export function writeEdge(c: usize, cRow: usize, rows: i32, columns: i32, width: i32): void {
  for (let r = 0; r < rows; r++) {
    memory.copy(c + <usize>r * cRow, EDGE + ((<usize>(r * width)) << 2), (<usize>columns) << 2);
  }
}

/** One panel of up to 16 columns. */
export function panel16(
  c: usize,
  cRow: usize,
  a: usize,
  aRow: usize,
  aStep: usize,
  w: usize,
  wStep: usize,
  T: i32,
  K: i32,
  columns: i32,
  start: i32,
): void {
  let t = 0;
  for (; t + 2 <= T; t += 2) {
    if (columns == 16) tile2x16(c, cRow, a, aRow, aStep, w, wStep, K, start);
    else {
      if (start) fetchEdge(c, cRow, 2, columns, 16);
      tile2x16(EDGE, 64, a, aRow, aStep, w, wStep, K, start);
      writeEdge(c, cRow, 2, columns, 16);
    }
    c += 2 * cRow;
    a += 2 * aRow;
  }
  if (t == T) return;
  if (columns == 16) tile1x16(c, a, aStep, w, wStep, K, start);
  else {
    if (start) fetchEdge(c, cRow, 1, columns, 16);
    tile1x16(EDGE, a, aStep, w, wStep, K, start);
    writeEdge(c, cRow, 1, columns, 16);
  }
}

/** One panel of 1 to 8 columns. */
function panel8(
  c: usize,
  cRow: usize,
  a: usize,
  aRow: usize,
  aStep: usize,
  w: usize,
  wStep: usize,
  T: i32,
  K: i32,
  columns: i32,
  start: i32,
): void {
  let t = 0;
  for (; t + 4 <= T; t += 4) {
    if (columns == 8) tile4x8(c, cRow, a, aRow, aStep, w, wStep, K, start);
    else {
      if (start) fetchEdge(c, cRow, 4, columns, 8);
      tile4x8(EDGE, 32, a, aRow, aStep, w, wStep, K, start);
      writeEdge(c, cRow, 4, columns, 8);
    }
    c += 4 * cRow;
    a += 4 * aRow;
  }
  for (; t < T; t++) {
    if (columns == 8) tile1x8(c, a, aStep, w, wStep, K, start);
    else {
      if (start) fetchEdge(c, cRow, 1, columns, 8);
      tile1x8(EDGE, a, aStep, w, wStep, K, start);
      writeEdge(c, cRow, 1, columns, 8);
    }
    c += cRow;
    a += aRow;
  }
}

/**
 * c[T, N] (+)= a[T, K] · w[K, N] with w in rows of any stride. What is read beyond column N is not used.
 * @param start 0: sums start at zero; 1: at what c holds
 */
export function productRows(
  c: usize,
  cRow: usize,
  a: usize,
  aRow: usize,
  aStep: usize,
  w: usize,
  wStep: usize,
  T: i32,
  K: i32,
  N: i32,
  start: i32,
): void {
  let n = 0;
  for (; N - n > 8; n += 16) {
    const at = (<usize>n) << 2;
    panel16(c + at, cRow, a, aRow, aStep, w + at, wStep, T, K, min(16, N - n), start);
  }
  const at = (<usize>n) << 2;
  if (n < N) panel8(c + at, cRow, a, aRow, aStep, w + at, wStep, T, K, N - n, start);
}

/**
 * c[T, N] (+)= a[T, K] · w[K, N] with w in panels, as `pack` and `packColumns` write them; a and c contiguous.
 * @param start 0: sums start at zero; 1: at what c holds
 */
export function productPacked(c: usize, a: usize, w: usize, T: i32, K: i32, N: i32, start: i32): void {
  const aRow = (<usize>K) << 2;
  const cRow = (<usize>N) << 2;
  let n = 0;
  for (; N - n > 8; n += 16) {
    const panel = w + (<usize>n) * aRow;
    panel16(c + ((<usize>n) << 2), cRow, a, aRow, 4, panel, 64, T, K, min(16, N - n), start);
  }
  if (n < N) panel8(c + ((<usize>n) << 2), cRow, a, aRow, 4, w + (<usize>n) * aRow, 32, T, K, N - n, start);
}

/**
 * c[T, N] += a[T, K] · w[K, N], all contiguous. Panels of w are copied together first where there are rows enough to use the copy.
 * @param room for 16·K numbers
 */
export function productInto(c: usize, a: usize, aRow: usize, aStep: usize, w: usize, T: i32, K: i32, N: i32, room: usize): void {
  const row = (<usize>N) << 2;
  if (T < 8) {
    productRows(c, row, a, aRow, aStep, w, row, T, K, N, 1);
    return;
  }
  let n = 0;
  for (; N - n > 8; n += 16) {
    const columns = min(16, N - n);
    copyPanel(room, w + ((<usize>n) << 2), row, K, columns, 64);
    panel16(c + ((<usize>n) << 2), row, a, aRow, aStep, room, 64, T, K, columns, 1);
  }
  if (n < N) {
    copyPanel(room, w + ((<usize>n) << 2), row, K, N - n, 32);
    panel8(c + ((<usize>n) << 2), row, a, aRow, aStep, room, 32, T, K, N - n, 1);
  }
}

function copyPanel(room: usize, w: usize, row: usize, K: i32, columns: i32, width: usize): void {
  const bytes = (<usize>columns) << 2;
  for (let k = 0; k < K; k++) {
    if (columns == 16) {
      v128.store(room, v128.load(w));
      v128.store(room, v128.load(w, 16), 16);
      v128.store(room, v128.load(w, 32), 32);
      v128.store(room, v128.load(w, 48), 48);
    } else memory.copy(room, w, bytes);
    room += width;
    w += row;
  }
}

/**
 * Panels of 16 columns of w[K, N], the last of 8 where at most 8 are left: [k][column].
 * @param out zeros, room for K · ⌈N / 8⌉ · 8 numbers
 */
export function packColumns(out: usize, w: usize, K: i32, N: i32): void {
  const row = (<usize>N) << 2;
  for (let n = 0; n < N; n += 16) {
    const width: usize = N - n > 8 ? 64 : 32;
    copyPanel(out, w + ((<usize>n) << 2), row, K, min(16, N - n), width);
    out += <usize>K * width;
  }
}

/**
 * Panels of 16 rows of w[N, K], the last of 8 where at most 8 are left: [k][row], zeros where there is no row.
 * @param out room for K · ⌈N / 8⌉ · 8 numbers
 */
export function pack(out: usize, w: usize, N: i32, K: i32): void {
  for (let n = 0; n < N; ) {
    const width = N - n > 8 ? 16 : 8;
    for (let k = 0; k < K; k++) {
      for (let i = 0; i < width; i++) {
        const value = n + i < N ? load<f32>(w + ((<usize>((n + i) * K + k)) << 2)) : 0;
        store<f32>(out, value);
        out += 4;
      }
    }
    n += width;
  }
}
