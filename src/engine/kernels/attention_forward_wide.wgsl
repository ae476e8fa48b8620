// Causal attention with grouped heads, a workgroup per token and GROUP heads that share their keys:
//   out[t, h] = Σ_{j ≤ pos} softmax_j(scale · q[t, h]·k_j) v_j over the keys of the token's row.
//
//   q       [T, ·]  HEADS · HEAD_DIM numbers of a token, 4 · queryStep from token to token
//   out     [T, HEADS · HEAD_DIM]
//   k, v    [·, KV_HEADS · HEAD_DIM] in the cache's format, the row's position j at rowBase[row] + j
//   row     [T], pos [T], rowBase [rows]
//   lse     [T, HEADS]  natural logarithm of the softmax's denominator, for the backward pass
//
// Host guarantees: keys 0..pos of the row are in place; HEAD_DIM is divisible by 4 and at most 4 · LANES; HEADS is a multiple
// of KV_HEADS, and HEADS / KV_HEADS of GROUP. Grid: x over T · HEADS / GROUP, then y (at most 65,535 groups in x).
//
// With SPLIT (few tokens of many keys) a workgroup takes the segment that z of the grid says, of p.segments at most, and stores what
// attention_merge takes up: out [T, HEADS, segments, HEAD_DIM], sums not divided yet, and lse [T, HEADS, segments, 2], the largest
// score and the denominator. Otherwise it takes all keys. Both ways have the same bits.
//
// Keys are taken in blocks of BLOCK from position 0, softmax online across blocks (Milakov & Gimelshein 2018), the lanes in
// three roles. Every SEGMENT keys begin anew, and segments are merged in ascending order (attention_merge). Scores: PARTS lanes a key, each a quarter of the columns, LANES / PARTS keys at a time. Softmax: a lane
// is a key of every second head. Output: a lane is four columns of every head and takes the quads of keys
// split, split + splits, …; the splits are added at the end, in order. Every order is a function of the position alone.
//
// A workgroup reads each key and value once for all its heads, in pieces of 64 and 4 · HEAD_DIM contiguous bytes:
// 8 · HEAD_DIM bytes a key (as f16 half of all these); 4 · GROUP · HEAD_DIM flops a key, (GROUP + KEYS) / (4 · GROUP · KEYS) loads an fma in the scores;
// 4 barriers a block. At 700 keys, heads 14 over 2 of 64 columns: 717 KB a token, a seventh of what head by head takes.
// Workgroup memory: GROUP · (16 · BLOCK + 4 · HEAD_DIM + 4 · (BLOCK + CUTS + 1)) bytes.

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;
// At most LANES / CUTS
override GROUP: u32;
// Whether a workgroup takes one segment
override SPLIT: bool;

const LANES = 128u;
const BLOCK = 64u;
const PARTS = 4u;
const COLUMNS = HEAD_DIM / 4u;
// Keys whose scores a lane computes side by side
const KEYS = BLOCK * PARTS / LANES;
// Heads that a lane has in the softmax, and the step from one to the next
const ROLES = LANES / BLOCK;
const OWN = (GROUP + ROLES - 1u) / ROLES;
// Pieces of a block that its maximum is first taken over
const CUTS = 8u;
const LOWEST = -3.0e38;

struct Params {
  tokens: u32,
  groupsX: u32,
  scale: f32,
  // A power of two, at most BLOCK / 4 and LANES / (HEAD_DIM / 4); not a constant, so that no compiler unrolls its loops
  splits: u32,
  // Quads from one token's queries to the next's
  queryStep: u32,
  // Of the grid, with SPLIT
  segments: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<StoredQuad>;
@group(0) @binding(3) var<storage, read> v: array<StoredQuad>;
@group(0) @binding(4) var<storage, read> row: array<u32>;
@group(0) @binding(5) var<storage, read> pos: array<u32>;
@group(0) @binding(6) var<storage, read> rowBase: array<u32>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> lse: array<f32>;

//@cache

//@segments

// Queries, at the end one split's outputs [GROUP, COLUMNS]
var<workgroup> staged: array<vec4f, GROUP * COLUMNS>;
// [GROUP, BLOCK, PARTS]
var<workgroup> products: array<f32, GROUP * BLOCK * PARTS>;
// Scores, then softmax weights [GROUP, BLOCK]
var<workgroup> weights: array<f32, GROUP * BLOCK>;
var<workgroup> cuts: array<f32, GROUP * CUTS>;
// What the sums so far are multiplied by [GROUP]
var<workgroup> decay: array<f32, GROUP>;

/** The parts' products of all heads with keys 0..KEYS−1 of this lane; keys past the last repeat it. */
fn multiplyKeys(lane: u32, first: u32, count: u32, kvHead: u32) {
  let part = lane % PARTS;
  var at = array<u32, KEYS>();
  var sums = array<f32, KEYS * GROUP>();
  for (var m = 0u; m < KEYS; m++) {
    let key = min(lane / PARTS + m * (LANES / PARTS), count - 1u);
    at[m] = ((first + key) * KV_HEADS + kvHead) * COLUMNS;
  }
  for (var d = part; d < COLUMNS; d += PARTS) {
    var keys = array<vec4f, KEYS>();
    for (var m = 0u; m < KEYS; m++) {
      keys[m] = quadOf(k[at[m] + d]);
    }
    for (var g = 0u; g < GROUP; g++) {
      let query = staged[g * COLUMNS + d];
      for (var m = 0u; m < KEYS; m++) {
        let product = fma(query.w, keys[m].w, fma(query.z, keys[m].z, fma(query.y, keys[m].y, query.x * keys[m].x)));
        sums[g * KEYS + m] += product;
      }
    }
  }
  for (var g = 0u; g < GROUP; g++) {
    for (var m = 0u; m < KEYS; m++) {
      let key = lane / PARTS + m * (LANES / PARTS);
      products[(g * BLOCK + key) * PARTS + part] = sums[g * KEYS + m];
    }
  }
}

/** Largest of each cut of each head's scores. */
fn maximaOfCuts(lane: u32) {
  if (lane < GROUP * CUTS) {
    let base = (lane / CUTS) * BLOCK + lane % CUTS;
    var highest = LOWEST;
    for (var i = 0u; i < BLOCK; i += CUTS) {
      highest = max(highest, weights[base + i]);
    }
    cuts[lane] = highest;
  }
}

/**
 * One segment's sums of values, of the lane's column and every head: keys `start` to before `end` of the row whose first key is `first`.
 * Lanes of split 0 have them; the largest scores are in `decay`, the denominators' cuts in `cuts`.
 */
fn attend(lane: u32, start: u32, end: u32, first: u32, query: u32, kvHead: u32) -> array<vec4f, GROUP> {
  let key = lane % BLOCK;
  let role = lane / BLOCK;
  let column = lane % COLUMNS;
  let split = lane / COLUMNS;
  var highest: array<f32, OWN>;
  var total: array<f32, OWN>;
  var sum: array<vec4f, GROUP>;
  for (var i = 0u; i < OWN; i++) {
    highest[i] = LOWEST;
  }
  for (var i = lane; i < GROUP * COLUMNS; i += LANES) {
    staged[i] = q[query + i];
  }
  workgroupBarrier();

  for (var block = start; block < end; block += BLOCK) {
    let count = min(end - block, BLOCK);
    multiplyKeys(lane, first + block, count, kvHead);
    workgroupBarrier();
    for (var g = role; g < GROUP; g += ROLES) {
      let at = (g * BLOCK + key) * PARTS;
      let score = p.scale * ((products[at] + products[at + 1u]) + (products[at + 2u] + products[at + 3u]));
      weights[g * BLOCK + key] = select(LOWEST, score, key < count);
    }
    workgroupBarrier();
    maximaOfCuts(lane);
    workgroupBarrier();
    for (var i = 0u; i < OWN; i++) {
      let g = role + i * ROLES;
      if (g < GROUP) {
        var now = highest[i];
        for (var c = 0u; c < CUTS; c++) {
          now = max(now, cuts[g * CUTS + c]);
        }
        let before = exp(highest[i] - now);
        let weight = select(0.0, exp(weights[g * BLOCK + key] - now), key < count);
        highest[i] = now;
        total[i] = fma(total[i], before, weight);
        weights[g * BLOCK + key] = weight;
        if (key == 0u) {
          decay[g] = before;
        }
      }
    }
    workgroupBarrier();
    if (split < p.splits) {
      for (var g = 0u; g < GROUP; g++) {
        sum[g] *= decay[g];
      }
      for (var j = 4u * split; j < count; j += 4u * p.splits) {
        for (var i = 0u; i < 4u; i++) {
          // Past the last key the weights are zero, and what the cache holds there may be anything.
          let value = quadOf(v[((first + block + min(j + i, count - 1u)) * KV_HEADS + kvHead) * COLUMNS + column]);
          for (var g = 0u; g < GROUP; g++) {
            sum[g] = fma(vec4f(weights[g * BLOCK + j + i]), value, sum[g]);
          }
        }
      }
    }
  }

  // The lanes' parts of the denominators, first over the keys of a cut, then over the cuts.
  workgroupBarrier();
  for (var i = 0u; i < OWN; i++) {
    let g = role + i * ROLES;
    if (g < GROUP) {
      weights[g * BLOCK + key] = total[i];
      if (key == 0u) {
        decay[g] = highest[i];
      }
    }
  }
  workgroupBarrier();
  if (lane < GROUP * CUTS) {
    let base = (lane / CUTS) * BLOCK + lane % CUTS;
    var denominator = 0.0;
    for (var i = 0u; i < BLOCK; i += CUTS) {
      denominator += weights[base + i];
    }
    cuts[lane] = denominator;
  }
  workgroupBarrier();
  for (var s = 1u; s < p.splits; s++) {
    if (split == s) {
      for (var g = 0u; g < GROUP; g++) {
        staged[g * COLUMNS + column] = sum[g];
      }
    }
    workgroupBarrier();
    if (split == 0u) {
      for (var g = 0u; g < GROUP; g++) {
        sum[g] += staged[g * COLUMNS + column];
      }
    }
    workgroupBarrier();
  }
  return sum;
}

/** Puts a segment's output of one head and column with those before it; `place` is the head among all tokens' heads. */
fn keep(sum: vec4f, before: Softmax, place: u32, g: u32, column: u32, segment: u32, segments: u32) -> Softmax {
  var denominator = 0.0;
  for (var c = 0u; c < CUTS; c++) {
    denominator += cuts[g * CUTS + c];
  }
  let own = Softmax(decay[g], denominator);
  if (SPLIT) {
    let part = place * p.segments + segment;
    out[part * COLUMNS + column] = sum;
    if (column == 0u) {
      lse[2u * part] = own.highest;
      lse[2u * part + 1u] = own.total;
    }
    return own;
  }
  var softmax = own;
  var value = sum;
  if (segment > 0u) {
    let both = merged(before, own);
    softmax = both.softmax;
    value = fma(out[place * COLUMNS + column], vec4f(both.before), sum * both.own);
  }
  if (segment + 1u == segments) {
    value = value / softmax.total;
    if (column == 0u) {
      lse[place] = softmax.highest + log(softmax.total);
    }
  }
  out[place * COLUMNS + column] = value;
  return softmax;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.y * p.groupsX + group.x;
  if (index >= p.tokens * (HEADS / GROUP)) {
    return;
  }
  let t = index / (HEADS / GROUP);
  let head = index * GROUP;
  let kvHead = (head % HEADS) / (HEADS / KV_HEADS);
  let first = rowBase[row[t]];
  let keys = pos[t] + 1u;
  let query = t * p.queryStep + (head % HEADS) * COLUMNS;
  let segments = (keys + SEGMENT - 1u) / SEGMENT;
  var running: array<Softmax, GROUP>;
  var begin = 0u;
  var end = segments;
  if (SPLIT) {
    begin = group.z;
    end = min(group.z + 1u, segments);
  }
  for (var segment = begin; segment < end; segment++) {
    let start = segment * SEGMENT;
    let sum = attend(lane, start, min(start + SEGMENT, keys), first, query, kvHead);
    if (lane < COLUMNS) {
      for (var g = 0u; g < GROUP; g++) {
        running[g] = keep(sum[g], running[g], head + g, g, lane, segment, segments);
      }
    }
    // What is in workgroup memory has been read.
    workgroupBarrier();
  }
}
