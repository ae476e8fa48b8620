// Gradient of causal attention by keys (after RoPE) and values: with p = exp(scale · q_t·k_j − lse[t, h]),
//   dV[j] = Σ_{h in group, t ≥ j, same row} p · dO_t,  dK[j] = scale · Σ p · (dO_t·v_j − delta[t, h]) · q_t.
//
//   dk, dv [T, KV_HEADS · HEAD_DIM]; the other bindings: see attention_backward_common. tiles have at most LANES tokens.
//
// Host guarantee: HEAD_DIM is even. Grid: x over tiles, y over key/value heads; a lane owns a key. Sums run over queries in
// ascending order, over the group's heads within each. All lanes walk the same queries, so queries and dO load once for all
// of them.

override LANES: u32;

const PAIRS = HEAD_DIM / 2u;
const GROUP = HEADS / KV_HEADS;

alias Item = vec2f;

//@attention_backward_common

@group(0) @binding(7) var<storage, read_write> dk: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> dv: array<vec2f>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let tile = tiles[group.x];
  if (tile.z == 0u) {
    return;
  }
  // Lanes past the row's end repeat its last key and store nothing.
  let j = min(tile.x + local.x, tile.z - 1u);
  let index = j * KV_HEADS + group.y;
  var key: array<vec2f, PAIRS>;
  var value: array<vec2f, PAIRS>;
  var sumK: array<vec2f, PAIRS>;
  var sumV: array<vec2f, PAIRS>;
  for (var d = 0u; d < PAIRS; d++) {
    key[d] = k[index * PAIRS + d];
    value[d] = v[index * PAIRS + d];
  }
  let firstHead = group.y * GROUP;
  for (var t = tile.x; t < tile.z; t++) {
    for (var h = firstHead; h < firstHead + p.group; h++) {
      let row = t * HEADS + h;
      let stat = stats[row];
      var query: array<vec2f, PAIRS>;
      var gradient: array<vec2f, PAIRS>;
      var score = vec2f();
      var dp = vec2f();
      for (var d = 0u; d < PAIRS; d++) {
        query[d] = q[row * PAIRS + d];
        gradient[d] = dout[row * PAIRS + d];
        score = fma(query[d], key[d], score);
        dp = fma(gradient[d], value[d], dp);
      }
      let weight = select(0.0, exp(p.scale * (score.x + score.y) - stat.x), t >= j);
      let ds = weight * (dp.x + dp.y - stat.y);
      for (var d = 0u; d < PAIRS; d++) {
        sumV[d] = fma(vec2f(weight), gradient[d], sumV[d]);
        sumK[d] = fma(vec2f(ds), query[d], sumK[d]);
      }
    }
  }
  if (tile.x + local.x < tile.z) {
    for (var d = 0u; d < PAIRS; d++) {
      dk[index * PAIRS + d] = p.scale * sumK[d];
      dv[index * PAIRS + d] = sumV[d];
    }
  }
}
