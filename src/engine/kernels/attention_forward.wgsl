// Causal attention with grouped heads, softmax computed online (Milakov & Gimelshein 2018):
//   out[t, h] = Σ_{j ≤ pos} softmax_j(scale · q[t, h]·k_j) v_j over the keys of the token's row.
//
//   q, out  [T, HEADS · HEAD_DIM]
//   k, v    [·, KV_HEADS · HEAD_DIM], the row's position j at rowBase[row] + j
//   row     [T], pos [T], rowBase [rows]
//   lse     [T, HEADS]  natural logarithm of the softmax's denominator, for the backward pass
//
// Host guarantees: keys 0..pos of the row are in place; HEAD_DIM is even; HEADS is a multiple of KV_HEADS.
// Grid: x over T · HEADS in LANES, then y (at most 65,535 groups in x). Keys are taken in ascending order.

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;
override LANES: u32 = 64;

const PAIRS = HEAD_DIM / 2u;

struct Params {
  tokens: u32,
  groupsX: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<vec2f>;
@group(0) @binding(2) var<storage, read> k: array<vec2f>;
@group(0) @binding(3) var<storage, read> v: array<vec2f>;
@group(0) @binding(4) var<storage, read> row: array<u32>;
@group(0) @binding(5) var<storage, read> pos: array<u32>;
@group(0) @binding(6) var<storage, read> rowBase: array<u32>;
@group(0) @binding(7) var<storage, read_write> out: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let index = (group.y * p.groupsX + group.x) * LANES + local.x;
  if (index >= p.tokens * HEADS) {
    return;
  }
  let t = index / HEADS;
  let kvHead = (index % HEADS) / (HEADS / KV_HEADS);
  var query: array<vec2f, PAIRS>;
  var sum: array<vec2f, PAIRS>;
  for (var d = 0u; d < PAIRS; d++) {
    query[d] = q[index * PAIRS + d];
  }
  var highest = -3.0e38;
  var total = 0.0;
  let first = rowBase[row[t]];
  let last = first + pos[t];
  for (var j = first; j <= last; j++) {
    let base = (j * KV_HEADS + kvHead) * PAIRS;
    var products = vec2f();
    for (var d = 0u; d < PAIRS; d++) {
      products = fma(query[d], k[base + d], products);
    }
    let score = (products.x + products.y) * p.scale;
    let now = max(highest, score);
    let before = exp(highest - now);
    let weight = exp(score - now);
    highest = now;
    total = fma(total, before, weight);
    for (var d = 0u; d < PAIRS; d++) {
      sum[d] = fma(vec2f(weight), v[base + d], sum[d] * before);
    }
  }
  for (var d = 0u; d < PAIRS; d++) {
    out[index * PAIRS + d] = sum[d] / total;
  }
  lse[index] = highest + log(total);
}
