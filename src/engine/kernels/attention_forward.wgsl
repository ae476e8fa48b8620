// Causal attention with grouped heads, softmax computed online (Milakov & Gimelshein 2018):
//   out[t, h] = Σ_{j ≤ pos} softmax_j(scale · q[t, h]·k_j) v_j over the keys of the token's row.
//
//   q, out  [T, HEADS · HEAD_DIM]
//   k, v    [·, KV_HEADS · HEAD_DIM] in the cache's format, the row's position j at rowBase[row] + j
//   row     [T], pos [T], rowBase [rows]
//   lse     [T, HEADS]  natural logarithm of the softmax's denominator, for the backward pass
//
// Host guarantees: keys 0..pos of the row are in place; HEAD_DIM is even; HEADS is a multiple of KV_HEADS, and
// HEADS / KV_HEADS of GROUP. Grid: x over T · HEADS / GROUP in LANES, then y (at most 65,535 groups in x). Keys are taken in
// ascending order. An invocation computes GROUP heads that share their keys, so that it loads those once.

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;
override GROUP: u32 = 1;
override LANES: u32 = 64;

const PAIRS = HEAD_DIM / 2u;

struct Params {
  tokens: u32,
  groupsX: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<vec2f>;
@group(0) @binding(2) var<storage, read> k: array<StoredPair>;
@group(0) @binding(3) var<storage, read> v: array<StoredPair>;
@group(0) @binding(4) var<storage, read> row: array<u32>;
@group(0) @binding(5) var<storage, read> pos: array<u32>;
@group(0) @binding(6) var<storage, read> rowBase: array<u32>;
@group(0) @binding(7) var<storage, read_write> out: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> lse: array<f32>;

//@cache

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let index = (group.y * p.groupsX + group.x) * LANES + local.x;
  if (index >= p.tokens * (HEADS / GROUP)) {
    return;
  }
  let t = index / (HEADS / GROUP);
  let head = index * GROUP;
  let kvHead = (head % HEADS) / (HEADS / KV_HEADS);
  var query: array<vec2f, PAIRS * GROUP>;
  var sum: array<vec2f, PAIRS * GROUP>;
  var highest: array<f32, GROUP>;
  var total: array<f32, GROUP>;
  for (var i = 0u; i < PAIRS * GROUP; i++) {
    query[i] = q[head * PAIRS + i];
  }
  for (var g = 0u; g < GROUP; g++) {
    highest[g] = -3.0e38;
  }
  let first = rowBase[row[t]];
  let last = first + pos[t];
  for (var j = first; j <= last; j++) {
    let base = (j * KV_HEADS + kvHead) * PAIRS;
    // Written out: a compiler was seen not to clear a variable declared in a loop again.
    var products = array<vec2f, GROUP>();
    for (var d = 0u; d < PAIRS; d++) {
      let key = pairOf(k[base + d]);
      for (var g = 0u; g < GROUP; g++) {
        products[g] = fma(query[g * PAIRS + d], key, products[g]);
      }
    }
    var before: array<f32, GROUP>;
    var weight: array<f32, GROUP>;
    for (var g = 0u; g < GROUP; g++) {
      let score = (products[g].x + products[g].y) * p.scale;
      let now = max(highest[g], score);
      before[g] = exp(highest[g] - now);
      weight[g] = exp(score - now);
      highest[g] = now;
      total[g] = fma(total[g], before[g], weight[g]);
    }
    for (var d = 0u; d < PAIRS; d++) {
      let value = pairOf(v[base + d]);
      for (var g = 0u; g < GROUP; g++) {
        let at = g * PAIRS + d;
        sum[at] = fma(vec2f(weight[g]), value, sum[at] * before[g]);
      }
    }
  }
  for (var g = 0u; g < GROUP; g++) {
    for (var d = 0u; d < PAIRS; d++) {
      out[(head + g) * PAIRS + d] = sum[g * PAIRS + d] / total[g];
    }
    lse[head + g] = highest[g] + log(total[g]);
  }
}
