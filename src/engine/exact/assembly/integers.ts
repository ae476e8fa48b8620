/**
 * Products with weights in int8 and int4. A panel has 16 outputs: for each input 16 codes (int4: a byte holds output i, plus 8, in its low
 * half and output i + 8 in its high one), for each group of 32 inputs 16 scales in f32. A weight is code × scale, which f32 holds exactly.
 * So the sums are those of the unpacked matrix, bit for bit. Panels are unpacked into a room that stays in a cache, then all rows use
 * them; a single row reads the codes themselves. (src/engine/reference/packedTensor.ts writes the panels.)
 */
import { EDGE, panel16, writeEdge } from './product';

/** Bytes of the codes of one input. */
@inline
function codeBytes(bits: i32): usize {
  return bits == 4 ? 8 : 16;
}

/** Bytes of the scales of a panel. */
@inline
function scaleBytes(inputs: i32): usize {
  return <usize>((inputs + 31) >> 5) << 6;
}

/** `inputs` inputs of a panel, the first at the start of a group or in its middle, into room[inputs][16]. */
function unpack(room: usize, codes: usize, scales: usize, inputs: i32, bits: i32): void {
  if (bits == 4) unpack4(room, codes, scales, inputs);
  else unpack8(room, codes, scales, inputs);
}

function unpack4(room: usize, codes: usize, scales: usize, inputs: i32): void {
  const low = i16x8.splat(15);
  const eight = i16x8.splat(8);
  for (let k = 0; k < inputs; k += 32) {
    const s0 = v128.load(scales);
    const s1 = v128.load(scales, 16);
    const s2 = v128.load(scales, 32);
    const s3 = v128.load(scales, 48);
    const end = codes + ((<usize>min(32, inputs - k)) << 3);
    while (codes != end) {
      const both = v128.load8x8_u(codes);
      const a = i16x8.sub(v128.and(both, low), eight);
      const b = i16x8.sub(i16x8.shr_u(both, 4), eight);
      v128.store(room, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(a)), s0));
      v128.store(room, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(a)), s1), 16);
      v128.store(room, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(b)), s2), 32);
      v128.store(room, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(b)), s3), 48);
      codes += 8;
      room += 64;
    }
    scales += 64;
  }
}

function unpack8(room: usize, codes: usize, scales: usize, inputs: i32): void {
  for (let k = 0; k < inputs; k += 32) {
    const s0 = v128.load(scales);
    const s1 = v128.load(scales, 16);
    const s2 = v128.load(scales, 32);
    const s3 = v128.load(scales, 48);
    const end = codes + ((<usize>min(32, inputs - k)) << 4);
    while (codes != end) {
      const a = v128.load8x8_s(codes);
      const b = v128.load8x8_s(codes, 8);
      v128.store(room, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(a)), s0));
      v128.store(room, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(a)), s1), 16);
      v128.store(room, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(b)), s2), 32);
      v128.store(room, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(b)), s3), 48);
      codes += 16;
      room += 64;
    }
    scales += 64;
  }
}

/** c[16] = a[inputs] · a panel of int4, without a room. */
function rowOfFours(c: usize, a: usize, codes: usize, scales: usize, inputs: i32): void {
  const low = i16x8.splat(15);
  const eight = i16x8.splat(8);
  let c0 = f32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  for (let k = 0; k < inputs; k += 32) {
    const s0 = v128.load(scales);
    const s1 = v128.load(scales, 16);
    const s2 = v128.load(scales, 32);
    const s3 = v128.load(scales, 48);
    const end = codes + ((<usize>min(32, inputs - k)) << 3);
    while (codes != end) {
      const x = v128.load32_splat(a);
      const both = v128.load8x8_u(codes);
      const lower = i16x8.sub(v128.and(both, low), eight);
      const upper = i16x8.sub(i16x8.shr_u(both, 4), eight);
      c0 = f32x4.add(c0, f32x4.mul(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(lower)), s0)));
      c1 = f32x4.add(c1, f32x4.mul(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(lower)), s1)));
      c2 = f32x4.add(c2, f32x4.mul(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(upper)), s2)));
      c3 = f32x4.add(c3, f32x4.mul(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(upper)), s3)));
      codes += 8;
      a += 4;
    }
    scales += 64;
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
}

/** c[16] = a[inputs] · a panel of int8, without a room. */
function rowOfEights(c: usize, a: usize, codes: usize, scales: usize, inputs: i32): void {
  let c0 = f32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  for (let k = 0; k < inputs; k += 32) {
    const s0 = v128.load(scales);
    const s1 = v128.load(scales, 16);
    const s2 = v128.load(scales, 32);
    const s3 = v128.load(scales, 48);
    const end = codes + ((<usize>min(32, inputs - k)) << 4);
    while (codes != end) {
      const x = v128.load32_splat(a);
      const lower = v128.load8x8_s(codes);
      const upper = v128.load8x8_s(codes, 8);
      c0 = f32x4.add(c0, f32x4.mul(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(lower)), s0)));
      c1 = f32x4.add(c1, f32x4.mul(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(lower)), s1)));
      c2 = f32x4.add(c2, f32x4.mul(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(upper)), s2)));
      c3 = f32x4.add(c3, f32x4.mul(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(upper)), s3)));
      codes += 16;
      a += 4;
    }
    scales += 64;
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
}

/**
 * c[T, N] = a[T, K] · wᵀ, w of N outputs and K inputs in panels.
 * @param room for 16·K numbers
 */
export function productIntegers(
  c: usize,
  a: usize,
  codes: usize,
  scales: usize,
  T: i32,
  K: i32,
  N: i32,
  bits: i32,
  room: usize,
): void {
  const cRow = (<usize>N) << 2;
  for (let n = 0; n < N; n += 16) {
    const columns = min(16, N - n);
    const at = c + ((<usize>n) << 2);
    if (T == 1) {
      const out = columns == 16 ? at : EDGE;
      if (bits == 4) rowOfFours(out, a, codes, scales, K);
      else rowOfEights(out, a, codes, scales, K);
      if (columns != 16) writeEdge(at, cRow, 1, columns, 16);
    } else {
      unpack(room, codes, scales, K, bits);
      panel16(at, cRow, a, (<usize>K) << 2, 4, room, 64, T, K, columns, 0);
    }
    codes += <usize>K * codeBytes(bits);
    scales += scaleBytes(K);
  }
}

/** out[16][16] = block[16][16] with rows and columns exchanged. */
function transpose(out: usize, block: usize): void {
  for (let i: usize = 0; i < 4; i++) {
    for (let j: usize = 0; j < 4; j++) {
      const from = block + (i << 8) + (j << 4);
      const r0 = v128.load(from);
      const r1 = v128.load(from, 64);
      const r2 = v128.load(from, 128);
      const r3 = v128.load(from, 192);
      const a = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
      const b = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
      const c = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
      const d = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
      const to = out + (j << 8) + (i << 4);
      v128.store(to, v128.shuffle<f32>(a, c, 0, 1, 4, 5));
      v128.store(to, v128.shuffle<f32>(a, c, 2, 3, 6, 7), 64);
      v128.store(to, v128.shuffle<f32>(b, d, 0, 1, 4, 5), 128);
      v128.store(to, v128.shuffle<f32>(b, d, 2, 3, 6, 7), 192);
    }
  }
}

/**
 * dx[T, K] += dy[T, N] · w, w of N outputs and K inputs in panels.
 * @param room for 16·⌈N / 16⌉·16 + 256 numbers
 */
export function productBackIntegers(
  dx: usize,
  dy: usize,
  codes: usize,
  scales: usize,
  T: i32,
  N: i32,
  K: i32,
  bits: i32,
  room: usize,
): void {
  const block = room;
  const rows = room + 1024;
  for (let k = 0; k < K; k += 16) {
    const columns = min(16, K - k);
    let from = codes + <usize>k * codeBytes(bits);
    let factors = scales + ((<usize>(k >> 5)) << 6);
    let to = rows;
    for (let n = 0; n < N; n += 16) {
      unpack(block, from, factors, columns, bits);
      transpose(to, block);
      from += <usize>K * codeBytes(bits);
      factors += scaleBytes(K);
      to += 1024;
    }
    panel16(dx + ((<usize>k) << 2), (<usize>K) << 2, dy, (<usize>N) << 2, 4, rows, 64, T, N, columns, 1);
  }
}

/** out[K] = the weights of one output. */
export function rowOfIntegers(out: usize, codes: usize, scales: usize, row: i32, K: i32, bits: i32): void {
  const panel = <usize>(row >> 4);
  const place = <usize>(row & 15);
  let from = codes + panel * <usize>K * codeBytes(bits);
  const factors = scales + panel * scaleBytes(K) + (place << 2);
  for (let k = 0; k < K; k++) {
    let code: i32;
    if (bits == 4) code = ((load<u8>(from + (place & 7)) >>> (place < 8 ? 0 : 4)) & 15) - 8;
    else code = load<i8>(from + place);
    store<f32>(out, <f32>code * load<f32>(factors + ((<usize>(k >> 5)) << 6)));
    from += codeBytes(bits);
    out += 4;
  }
}
