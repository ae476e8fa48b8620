// Gradient of causal attention by keys (after RoPE) and values: with p = exp(scale · q_t·k_j − lse[t, h]),
//   dV[j] = Σ_{h in group, t ≥ j, same row} p · dO_t,  dK[j] = scale · Σ p · (dO_t·v_j − delta[t, h]) · q_t.
//
//   q, dout [T, HEADS · HEAD_DIM], k, v, dk, dv [T, KV_HEADS · HEAD_DIM], stats [T, HEADS] pairs (lse, delta)
//   rows [T]    (first token of the token's row, one past its last token), indices into the flat token list
//
// Host guarantees: a row's tokens are contiguous from position 0; HEAD_DIM is even; HEADS is a multiple of KV_HEADS.
// Grid: x over T · KV_HEADS in 64, then y (at most 65,535 groups in x). Sums run over queries in ascending order, over the
// group's heads within each.

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;

const PAIRS = HEAD_DIM / 2u;
const GROUP = HEADS / KV_HEADS;

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
@group(0) @binding(7) var<storage, read_write> dk: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> dv: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let index = (group.y * p.groupsX + group.x) * 64u + local.x;
  if (index >= p.tokens * KV_HEADS) {
    return;
  }
  let j = index / KV_HEADS;
  let firstHead = (index % KV_HEADS) * GROUP;
  var key: array<vec2f, PAIRS>;
  var value: array<vec2f, PAIRS>;
  var sumK: array<vec2f, PAIRS>;
  var sumV: array<vec2f, PAIRS>;
  for (var d = 0u; d < PAIRS; d++) {
    key[d] = k[index * PAIRS + d];
    value[d] = v[index * PAIRS + d];
  }
  let end = rows[j].y;
  for (var t = j; t < end; t++) {
    for (var h = firstHead; h < firstHead + GROUP; h++) {
      let row = t * HEADS + h;
      let stat = stats[row];
      var query: array<vec2f, PAIRS>;
      var gradient: array<vec2f, PAIRS>;
      var score = 0.0;
      var dp = 0.0;
      for (var d = 0u; d < PAIRS; d++) {
        query[d] = q[row * PAIRS + d];
        gradient[d] = dout[row * PAIRS + d];
        score += dot(query[d], key[d]);
        dp += dot(gradient[d], value[d]);
      }
      let weight = exp(p.scale * score - stat.x);
      let ds = weight * (dp - stat.y);
      for (var d = 0u; d < PAIRS; d++) {
        sumV[d] = fma(vec2f(weight), gradient[d], sumV[d]);
        sumK[d] = fma(vec2f(ds), query[d], sumK[d]);
      }
    }
  }
  for (var d = 0u; d < PAIRS; d++) {
    dk[index * PAIRS + d] = p.scale * sumK[d];
    dv[index * PAIRS + d] = sumV[d];
  }
}
