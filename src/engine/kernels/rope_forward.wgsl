// Rotary position embedding (Su et al. 2021; rotate_half as in transformers): turns the pair (x_i, x_{i+Dh/2}) of every
// head by the angle pos · inv_freq_i. With CACHED the result goes to its place among the row's keys, in the cache's format.
//
//   x       [T, HEADS · HEAD_DIM]
//   pos     [T]  position of each token within its row
//   turns   [positions, HEAD_DIM / 2] pairs (cos, sin)
//   row     [T]  row of each token; rowBase [rows] where a row's keys begin, in tokens
//   saturated  + numbers too large for the format, but for those of the last row
//   y       [T or rowBase[row] + pos, HEADS · HEAD_DIM / 2] pairs
//
// Grid: x over HEADS · HEAD_DIM / 2 in 64, y over tokens. An invocation makes two numbers side by side: in f16 they share a word.
// Their partners lie half a head away, so that every number of x is read twice.

override HEADS: u32;
override HEAD_DIM: u32;
override CACHED: bool = false;

const HALF = HEAD_DIM / 2u;

struct Params {
  tokens: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> pos: array<u32>;
@group(0) @binding(3) var<storage, read> turns: array<vec2f>;
@group(0) @binding(4) var<storage, read> row: array<u32>;
@group(0) @binding(5) var<storage, read> rowBase: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<StoredPair>;
@group(0) @binding(7) var<storage, read_write> saturated: atomic<u32>;

//@cache

/** Number `index` of the head that begins at x[start], turned. */
fn turned(start: u32, index: u32, position: u32) -> f32 {
  let i = index % HALF;
  let turn = turns[position * HALF + i];
  let low = x[start + i];
  let high = x[start + i + HALF];
  if (index < HALF) {
    return fma(low, turn.x, -(high * turn.y));
  }
  return fma(high, turn.x, low * turn.y);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let pair = group.x * 64u + local.x;
  let t = group.y;
  if (pair >= HEADS * HALF || t >= p.tokens) {
    return;
  }
  let start = (t * HEADS + pair / HALF) * HEAD_DIM;
  let first = 2u * (pair % HALF);
  let values = vec2f(turned(start, first, pos[t]), turned(start, first + 1u, pos[t]));
  // The last row takes padding, which nobody reads.
  let cut = cutOff(values);
  if (cut > 0u && row[t] + 1u < arrayLength(&rowBase)) {
    atomicAdd(&saturated, cut);
  }
  var place = t;
  if (CACHED) {
    place = rowBase[row[t]] + pos[t];
  }
  y[place * (HEADS * HALF) + pair] = storedPair(values);
}
