// Gradient of causal attention by the queries (after RoPE): with p_j = exp(scale · q·k_j − lse),
//   dQ[t, h] = scale · Σ_{j ≤ t, same row} p_j · (dO·v_j − delta) · k_j.
//
//   q, dout, dq [T, HEADS · HEAD_DIM], k, v [T, KV_HEADS · HEAD_DIM], stats [T, HEADS] pairs (lse, delta)
//   rows [T]    (first token of the token's row, one past its last token), indices into the flat token list
//
// Host guarantees: a row's tokens are contiguous from position 0; HEAD_DIM is even; HEADS is a multiple of KV_HEADS.
// Grid: x over T · HEADS in 64, then y (at most 65,535 groups in x). Sums run over keys in ascending order.

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;

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
@group(0) @binding(4) var<storage, read> dout: array<vec2f>;
@group(0) @binding(5) var<storage, read> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read> rows: array<vec2u>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let index = (group.y * p.groupsX + group.x) * 64u + local.x;
  if (index >= p.tokens * HEADS) {
    return;
  }
  let t = index / HEADS;
  let kvHead = (index % HEADS) / (HEADS / KV_HEADS);
  let stat = stats[index];
  var query: array<vec2f, PAIRS>;
  var gradient: array<vec2f, PAIRS>;
  var sum: array<vec2f, PAIRS>;
  for (var d = 0u; d < PAIRS; d++) {
    query[d] = q[index * PAIRS + d];
    gradient[d] = dout[index * PAIRS + d];
  }
  for (var j = rows[t].x; j <= t; j++) {
    let base = (j * KV_HEADS + kvHead) * PAIRS;
    var key: array<vec2f, PAIRS>;
    var score = 0.0;
    var dp = 0.0;
    for (var d = 0u; d < PAIRS; d++) {
      key[d] = k[base + d];
      score += dot(query[d], key[d]);
      dp += dot(gradient[d], v[base + d]);
    }
    let ds = exp(p.scale * score - stat.x) * (dp - stat.y);
    for (var d = 0u; d < PAIRS; d++) {
      sum[d] = fma(vec2f(ds), key[d], sum[d]);
    }
  }
  for (var d = 0u; d < PAIRS; d++) {
    dq[index * PAIRS + d] = p.scale * sum[d];
  }
}
