// Gradient of causal attention by the queries (after RoPE), computed in tiles that a workgroup shares: with
// p_j = exp(scale · q·k_j − lse),  dQ[t, h] = scale · Σ_{j ≤ t, same row} p_j · (dO·v_j − delta) · k_j.
//
//   q, dout, dq [T, HEADS · HEAD_DIM], k, v [T, KV_HEADS · HEAD_DIM], stats [T, HEADS] pairs (lse, delta)
//   tiles [..] stretches of at most TILE tokens of one row: (first token, the row's first, one past the row's last, 0),
//              indices into the flat token list; all zero = none
//
// Host guarantees: a row's tokens are contiguous from position 0; HEAD_DIM is divisible by 4 and at most 256; HEADS is a
// multiple of KV_HEADS. Grid: x over tiles, y over heads.
//
// TILE queries meet TILE keys of their row at a time, from the row's first on. A lane has 4 queries (one vector) and 2 keys in
// the products, then 4 queries and every 16th quad of columns in the sum over keys, which runs in ascending order.
//
// Per tile of queries and keys: 3 · TILE² · HEAD_DIM fmas for 5 · TILE · HEAD_DIM · 4 bytes from global memory (k twice), that is
// 4.8 fmas a byte; one invocation a query, as in attention_backward_query, keeps 16 · HEAD_DIM bytes in registers, more than
// GPUs have. In the products 12 vectors are read from workgroup memory for 64 fmas. Workgroup memory: 8 KiB.

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;

const LANES = 128u;
const TILE = 32u;
// Quads of columns staged at a time: a lane stages one of each array
const CHUNK = LANES / TILE;
const COLUMNS = HEAD_DIM / 4u;
const QUADS = TILE / 4u;
const ACROSS = LANES / QUADS;
// Quads of columns of the result that a lane has
const SPAN = (COLUMNS + ACROSS - 1u) / ACROSS;

struct Params {
  scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
@group(0) @binding(4) var<storage, read> dout: array<vec4f>;
@group(0) @binding(5) var<storage, read> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>;

// A chunk of q, dout, k and v [CHUNK, TILE] each; then dS [key, quad of queries]
var<workgroup> staged: array<vec4f, 4u * CHUNK * TILE>;

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
  let part = lane % CHUNK;
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
    var score = array<vec4f, 2>();
    var dp = array<vec4f, 2>();
    for (var first = 0u; first < COLUMNS; first += CHUNK) {
      // The chunk before, or the last block's dS, has been read.
      workgroupBarrier();
      let d = min(first + part, COLUMNS - 1u);
      let mask = select(0.0, 1.0, first + part < COLUMNS);
      let at = part * TILE + line;
      staged[at] = mask * q[queryAt + d];
      staged[CHUNK * TILE + at] = mask * dout[queryAt + d];
      staged[2u * CHUNK * TILE + at] = k[keyAt + d];
      staged[3u * CHUNK * TILE + at] = v[keyAt + d];
      workgroupBarrier();
      for (var c = 0u; c < CHUNK; c++) {
        let mine = c * TILE + 4u * quad;
        let theirs = (2u * CHUNK + c) * TILE + across;
        for (var n = 0u; n < 2u; n++) {
          let key = staged[theirs + n * ACROSS];
          let value = staged[CHUNK * TILE + theirs + n * ACROSS];
          for (var i = 0u; i < 4u; i++) {
            score[n][i] += dot(staged[mine + i], key);
            dp[n][i] += dot(staged[CHUNK * TILE + mine + i], value);
          }
        }
      }
    }
    workgroupBarrier();
    for (var n = 0u; n < 2u; n++) {
      let key = across + n * ACROSS;
      let visible = (vec4u(block + key) <= queries) & vec4<bool>(block + key < end);
      let weight = select(vec4f(), exp(p.scale * score[n] - lse), visible);
      staged[key * QUADS + quad] = weight * (dp[n] - delta);
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
