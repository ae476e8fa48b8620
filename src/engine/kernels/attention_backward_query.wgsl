// Gradient of causal attention by the queries (after RoPE): with p_j = exp(scale · q·k_j − lse),
//   dQ[t, h] = scale · Σ_{j ≤ t, same row} p_j · (dO·v_j − delta) · k_j.
//
//   dq [T, HEADS · HEAD_DIM]; the other bindings: see attention_backward_common. tiles have at most LANES tokens.
//
// Host guarantee: HEAD_DIM is even. Grid: x over tiles, y over heads; a lane owns a query. Sums run over keys in ascending
// order. All lanes walk the same keys, so keys and values load once for all of them.

override LANES: u32;

const PAIRS = HEAD_DIM / 2u;

alias Item = vec2f;

//@attention_backward_common

@group(0) @binding(7) var<storage, read_write> dq: array<vec2f>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let tile = tiles[group.x];
  if (tile.z == 0u) {
    return;
  }
  // Lanes past the row's end repeat its last query and store nothing.
  let t = min(tile.x + local.x, tile.z - 1u);
  let index = t * HEADS + group.y;
  let kvHead = group.y / (HEADS / KV_HEADS);
  let stat = stats[index];
  var query: array<vec2f, PAIRS>;
  var gradient: array<vec2f, PAIRS>;
  var sum: array<vec2f, PAIRS>;
  for (var d = 0u; d < PAIRS; d++) {
    query[d] = q[index * PAIRS + d];
    gradient[d] = dout[index * PAIRS + d];
  }
  let end = min(tile.x + LANES, tile.z);
  for (var j = tile.y; j < end; j++) {
    let base = (j * KV_HEADS + kvHead) * PAIRS;
    var key: array<vec2f, PAIRS>;
    var score = vec2f();
    var dp = vec2f();
    for (var d = 0u; d < PAIRS; d++) {
      key[d] = k[base + d];
      score = fma(query[d], key[d], score);
      dp = fma(gradient[d], v[base + d], dp);
    }
    let weight = select(0.0, exp(p.scale * (score.x + score.y) - stat.x), j <= t);
    let ds = weight * (dp.x + dp.y - stat.y);
    for (var d = 0u; d < PAIRS; d++) {
      sum[d] = fma(vec2f(ds), key[d], sum[d]);
    }
  }
  if (tile.x + local.x < tile.z) {
    for (var d = 0u; d < PAIRS; d++) {
      dq[index * PAIRS + d] = p.scale * sum[d];
    }
  }
}
