// Gradient of causal attention by the queries (after RoPE), computed in tiles that a workgroup shares: with
// p_j = exp(scale · q·k_j − lse),  dQ[t, h] = scale · Σ_{j ≤ t, same row} p_j · (dO·v_j − delta) · k_j.
//
//   dq [T, HEADS · HEAD_DIM]; the other bindings: see attention_backward_common. tiles have at most TILE tokens.
//
// Host guarantee: HEAD_DIM is divisible by 4 and at most 256. Grid: x over tiles, y over heads.
//
// TILE queries meet TILE keys of their row at a time, from the row's first on. A lane has 4 queries (one vector) and 2 keys in
// the products, then 4 queries and every 16th quad of columns in the sum over keys, which runs in ascending order.
//
// Per tile of queries and keys: 3 · TILE² · HEAD_DIM fmas for 5 · TILE · HEAD_DIM · 4 bytes from global memory (k twice), that is
// 4.8 fmas a byte; one invocation a query, as in attention_backward_query, keeps 16 · HEAD_DIM bytes in registers, more than
// GPUs have. In the products 12 vectors are read from workgroup memory for 64 fmas. Workgroup memory: 8 KiB.

alias Item = vec4f;

//@attention_backward_common

@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>;

// The other lines are keys; `staged` then holds dS [key, quad of queries].
//@attention_backward_tiles

fn stage(at: u32, own: u32, other: u32, mask: f32) {
  staged[at] = mask * q[own];
  staged[CHUNK * TILE + at] = mask * dout[own];
  staged[2u * CHUNK * TILE + at] = k[other];
  staged[3u * CHUNK * TILE + at] = v[other];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[group.x];
  if (tile.z == 0u) {
    return;
  }
  let head = group.y;
  let kvHead = head / (HEADS / KV_HEADS);
  // Lines past the row's end repeat its last token; what they give is masked or not stored.
  let last = tile.z - 1u;
  let end = min(tile.x + TILE, tile.z);
  let line = lane / CHUNK;
  let quad = lane / ACROSS;
  let across = lane % ACROSS;
  let queryAt = (min(tile.x + line, last) * HEADS + head) * COLUMNS;
  let queries = vec4u(tile.x + 4u * quad) + vec4u(0u, 1u, 2u, 3u);
  var lse = vec4f();
  var delta = vec4f();
  for (var i = 0u; i < 4u; i++) {
    let stat = stats[min(queries[i], last) * HEADS + head];
    lse[i] = stat.x;
    delta[i] = stat.y;
  }
  var sum: array<vec4f, 4u * SPAN>;

  for (var block = tile.y; block < end; block += TILE) {
    let keyAt = (min(block + line, last) * KV_HEADS + kvHead) * COLUMNS;
    let product = products(lane, queryAt, keyAt);
    for (var n = 0u; n < 2u; n++) {
      let key = across + n * ACROSS;
      let visible = (vec4u(block + key) <= queries) & vec4<bool>(block + key < end);
      let weight = select(vec4f(), exp(p.scale * product.score[n] - lse), visible);
      staged[key * QUADS + quad] = weight * (product.dp[n] - delta);
    }
    workgroupBarrier();
    let count = min(TILE, end - block);
    for (var j = 0u; j < count; j++) {
      let ds = staged[j * QUADS + quad];
      let base = ((block + j) * KV_HEADS + kvHead) * COLUMNS;
      for (var m = 0u; m < SPAN; m++) {
        let d = across + m * ACROSS;
        if (d < COLUMNS) {
          let key = k[base + d];
          for (var i = 0u; i < 4u; i++) {
            sum[i * SPAN + m] = fma(vec4f(ds[i]), key, sum[i * SPAN + m]);
          }
        }
      }
    }
  }
  for (var i = 0u; i < 4u; i++) {
    for (var m = 0u; m < SPAN; m++) {
      let d = across + m * ACROSS;
      if (queries[i] < end && d < COLUMNS) {
        dq[(queries[i] * HEADS + head) * COLUMNS + d] = p.scale * sum[i * SPAN + m];
      }
    }
  }
}
