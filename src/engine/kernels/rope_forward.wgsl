// Rotary position embedding (Su et al. 2021; rotate_half as in transformers): turns the pair (x_i, x_{i+Dh/2}) of every
// head by the angle pos · inv_freq_i. With CACHED the result goes to its place among the row's keys.
//
//   x       [T, HEADS · HEAD_DIM]
//   pos     [T]  position of each token within its row
//   turns   [positions, HEAD_DIM / 2] pairs (cos, sin)
//   row     [T]  row of each token; rowBase [rows] where a row's keys begin, in tokens
//   y       [T or rowBase[row] + pos, HEADS · HEAD_DIM]
//
// Grid: x over HEADS · HEAD_DIM / 2 in 64, y over tokens.

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
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let pair = group.x * 64u + local.x;
  let t = group.y;
  if (pair >= HEADS * HALF || t >= p.tokens) {
    return;
  }
  let i = pair % HALF;
  let head = (pair / HALF) * HEAD_DIM;
  let turn = turns[pos[t] * HALF + i];
  let start = t * (HEADS * HEAD_DIM) + head + i;
  let low = x[start];
  let high = x[start + HALF];
  var place = t;
  if (CACHED) {
    place = rowBase[row[t]] + pos[t];
  }
  let to = place * (HEADS * HEAD_DIM) + head + i;
  y[to] = fma(low, turn.x, -(high * turn.y));
  y[to + HALF] = fma(high, turn.x, low * turn.y);
}
