// Gradient of causal attention by keys (after RoPE) and values, computed in tiles that a workgroup shares: with
// p = exp(scale · q_t·k_j − lse[t, h]),
//   dV[j] = Σ_{h in group, t ≥ j, same row} p · dO_t,  dK[j] = scale · Σ p · (dO_t·v_j − delta[t, h]) · q_t.
//
//   dk, dv [T, KV_HEADS · HEAD_DIM]; the other bindings: see attention_backward_common. tiles have at most TILE tokens.
//
// Host guarantee: HEAD_DIM is divisible by 4 and at most 256. Grid: x over tiles, y over key/value heads.
//
// TILE keys meet TILE queries of their row at a time, from their own tile on, one head of the group after the other. A lane has
// 4 keys (one vector) and 2 queries in the products, then 4 keys and every 16th quad of columns in the sums, which run over
// the group's heads in ascending order, over queries within each.
//
// Per tile of keys and queries: 4 · TILE² · HEAD_DIM fmas for 6 · TILE · HEAD_DIM · 4 bytes from global memory (q and dout twice),
// that is 5.3 fmas a byte. In the products 12 vectors are read from workgroup memory for 64 fmas. Workgroup memory: 8 KiB.

alias Item = vec4f;

//@attention_backward_common

@group(0) @binding(7) var<storage, read_write> dk: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> dv: array<vec4f>;

// The other lines are queries; `staged` then holds p and dS [query, quad of keys] each.
//@attention_backward_tiles

fn stage(at: u32, own: u32, other: u32, mask: f32) {
  staged[at] = mask * k[own];
  staged[CHUNK * TILE + at] = mask * v[own];
  staged[2u * CHUNK * TILE + at] = q[other];
  staged[3u * CHUNK * TILE + at] = dout[other];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[group.x];
  if (tile.z == 0u) {
    return;
  }
  let kvHead = group.y;
  // Lines past the row's end repeat its last token; what they give is masked or not stored.
  let last = tile.z - 1u;
  let line = lane / CHUNK;
  let quad = lane / ACROSS;
  let across = lane % ACROSS;
  let keyAt = (min(tile.x + line, last) * KV_HEADS + kvHead) * COLUMNS;
  let keys = vec4u(tile.x + 4u * quad) + vec4u(0u, 1u, 2u, 3u);
  var sumK: array<vec4f, 4u * SPAN>;
  var sumV: array<vec4f, 4u * SPAN>;

  for (var h = 0u; h < p.group; h++) {
    let head = kvHead * p.group + h;
    for (var block = tile.x; block < tile.z; block += TILE) {
      let queryAt = (min(block + line, last) * HEADS + head) * COLUMNS;
      let product = products(lane, keyAt, queryAt);
      for (var n = 0u; n < 2u; n++) {
        let query = across + n * ACROSS;
        let t = block + query;
        let stat = stats[min(t, last) * HEADS + head];
        let visible = (keys <= vec4u(t)) & vec4<bool>(t < tile.z);
        let weight = select(vec4f(), exp(p.scale * product.score[n] - stat.x), visible);
        staged[query * QUADS + quad] = weight;
        staged[(TILE + query) * QUADS + quad] = weight * (product.dp[n] - stat.y);
      }
      workgroupBarrier();
      let count = min(TILE, tile.z - block);
      for (var t = 0u; t < count; t++) {
        let weight = staged[t * QUADS + quad];
        let ds = staged[(TILE + t) * QUADS + quad];
        let base = ((block + t) * HEADS + head) * COLUMNS;
        for (var m = 0u; m < SPAN; m++) {
          let d = across + m * ACROSS;
          if (d < COLUMNS) {
            let query = q[base + d];
            let gradient = dout[base + d];
            for (var i = 0u; i < 4u; i++) {
              sumV[i * SPAN + m] = fma(vec4f(weight[i]), gradient, sumV[i * SPAN + m]);
              sumK[i * SPAN + m] = fma(vec4f(ds[i]), query, sumK[i * SPAN + m]);
            }
          }
        }
      }
    }
  }
  for (var i = 0u; i < 4u; i++) {
    for (var m = 0u; m < SPAN; m++) {
      let d = across + m * ACROSS;
      if (keys[i] < min(tile.x + TILE, tile.z) && d < COLUMNS) {
        let at = (keys[i] * KV_HEADS + kvHead) * COLUMNS + d;
        dk[at] = p.scale * sumK[i * SPAN + m];
        dv[at] = sumV[i * SPAN + m];
      }
    }
  }
}
