// Queries, keys and values of few tokens on their way to attention, on GPUs: the norm per head where the model has one, rotary
// position embedding (Su et al. 2021; rotate_half as in transformers), and keys and values to their places in the cache.
//
//   qkv   [T, p.step]  queries [HEADS, HEAD_DIM], which are changed where they lie; keys [KV_HEADS, HEAD_DIM] from p.firstKey on;
//                      values, as many, from p.firstValue on
//   pos, row [T]       position of each token within its row; a row's keys begin at token row · p.maxLength of the cache
//   turns [positions, HEAD_DIM / 2] pairs (cos, sin)
//   gains              with NORM: of queries [HEAD_DIM], and from p.keyGain on of keys
//   k, v  [·, KV_HEADS · HEAD_DIM / 2] pairs in the cache's format
//   saturated          + numbers too large for the format, but for those of the last row, p.lastRow, which takes padding
//
// Host guarantees: HEAD_DIM is a multiple of 4 and at most 256. Grid: x over HEADS + 2 · KV_HEADS in LINES, y over T. LANES
// invocations share a head. Orders of additions and products, to the bit: those of rmsnorm_forward_wide and rope_forward.

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;
override NORM: bool;

const LANES = 32u;
const LINES = 4u;
const HALF = HEAD_DIM / 2u;

struct Params {
  step: u32,
  firstKey: u32,
  firstValue: u32,
  keyGain: u32,
  maxLength: u32,
  lastRow: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> pos: array<u32>;
@group(0) @binding(3) var<storage, read> row: array<u32>;
@group(0) @binding(4) var<storage, read> turns: array<vec2f>;
@group(0) @binding(5) var<storage, read> gains: array<f32>;
@group(0) @binding(6) var<storage, read_write> k: array<StoredPair>;
@group(0) @binding(7) var<storage, read_write> v: array<StoredPair>;
@group(0) @binding(8) var<storage, read_write> saturated: atomic<u32>;

//@cache

var<workgroup> heads: array<f32, LINES * HEAD_DIM>;
var<workgroup> partial: array<f32, LINES * LANES>;

/** 1 / sqrt(mean(x²) + eps) of the line's head; NaN where the sum overflowed. */
fn reciprocalNorm(line: u32, lane: u32) -> f32 {
  var squares = 0.0;
  for (var i = lane; i < HEAD_DIM; i += LANES) {
    let value = heads[line * HEAD_DIM + i];
    squares = fma(value, value, squares);
  }
  let at = line * LANES + lane;
  partial[at] = squares;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) {
      partial[at] += partial[at + half];
    }
    workgroupBarrier();
  }
  let sum = partial[line * LANES];
  return 1.0 / sqrt(sum / f32(HEAD_DIM) + p.eps) + poison(sum);
}

/** Number `index` of the line's head, turned. */
fn turned(line: u32, index: u32, position: u32) -> f32 {
  let i = index % HALF;
  let turn = turns[position * HALF + i];
  let low = heads[line * HEAD_DIM + i];
  let high = heads[line * HEAD_DIM + i + HALF];
  if (index < HALF) {
    return fma(low, turn.x, -(high * turn.y));
  }
  return fma(high, turn.x, low * turn.y);
}

@compute @workgroup_size(LANES, LINES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let lane = local.x;
  let line = local.y;
  let t = group.y;
  // Lines past the last value repeat it and store nothing: barriers need every lane.
  let head = group.x * LINES + line;
  let last = HEADS + 2u * KV_HEADS - 1u;
  let own = min(head, last);
  let isKey = own >= HEADS && own < HEADS + KV_HEADS;
  let isValue = own >= HEADS + KV_HEADS;
  var start = t * p.step + own * HEAD_DIM;
  if (isKey) {
    start = t * p.step + p.firstKey + (own - HEADS) * HEAD_DIM;
  }
  if (isValue) {
    start = t * p.step + p.firstValue + (own - HEADS - KV_HEADS) * HEAD_DIM;
  }
  for (var i = lane; i < HEAD_DIM; i += LANES) {
    heads[line * HEAD_DIM + i] = qkv[start + i];
  }
  workgroupBarrier();
  if (NORM) {
    let r = reciprocalNorm(line, lane);
    if (!isValue) {
      let gain = select(0u, p.keyGain, isKey);
      for (var i = lane; i < HEAD_DIM; i += LANES) {
        heads[line * HEAD_DIM + i] = gains[gain + i] * (heads[line * HEAD_DIM + i] * r);
      }
    }
    workgroupBarrier();
  }
  if (head > last) {
    return;
  }
  let position = pos[t];
  let place = row[t] * p.maxLength + position;
  var cut = 0u;
  for (var pair = lane; pair < HALF; pair += LANES) {
    var values = vec2f(heads[line * HEAD_DIM + 2u * pair], heads[line * HEAD_DIM + 2u * pair + 1u]);
    if (isValue) {
      cut += cutOff(values);
      v[(place * KV_HEADS + own - HEADS - KV_HEADS) * HALF + pair] = storedPair(values);
      continue;
    }
    values = vec2f(turned(line, 2u * pair, position), turned(line, 2u * pair + 1u, position));
    if (isKey) {
      cut += cutOff(values);
      k[(place * KV_HEADS + own - HEADS) * HALF + pair] = storedPair(values);
    } else {
      qkv[start + 2u * pair] = values.x;
      qkv[start + 2u * pair + 1u] = values.y;
    }
  }
  if (cut > 0u && row[t] != p.lastRow) {
    atomicAdd(&saturated, cut);
  }
}
