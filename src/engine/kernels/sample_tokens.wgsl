// Samples one token per row from its logits and moves the row's state on.
//
//   logits   [N, V]
//   rows     [N]     row of each line of logits
//   settings [rows]  see Settings; temperature 0 = argmax, the lowest index of several
//   state    [rows]  (next position, last token, tokens sampled so far, unused); all but the last are updated
//   weights  [N, V]  scratch
//   results  [N]     (token, bits of its log-probability, bits of the top-2 margin, index of the token in the completion)
//
// Log-probability: full softmax of the raw logits at temperature 1. Draw: weights exp((z − max) / temperature) of the
// tokens kept by top-k (ties with the k-th are kept), then by top-p; the first kept token in index order whose running sum
// exceeds u · total, else the last kept one; u is the Philox draw of (key, token index), see src/random.ts.
//
// Grid: x over N. LANES invocations share a row, each takes a contiguous part of the vocabulary; partial sums are added in
// lane order. Thresholds are found bit by bit on the floats' ordered integer images, which needs no sorting.

override V: u32;
override LANES: u32;

const CHUNK = (V + LANES - 1u) / LANES;

struct Settings {
  temperature: f32,
  topP: f32,
  topK: u32,
  key0: u32,
  key1: u32,
  counter1: u32,
  counter2: u32,
  counter3: u32,
}

struct Params {
  count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> settings: array<Settings>;
@group(0) @binding(4) var<storage, read_write> state: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> results: array<vec4u>;

var<workgroup> partial: array<f32, LANES>;
var<workgroup> partialSecond: array<f32, LANES>;
var<workgroup> partialIndex: array<u32, LANES>;

/** High and low word of a product, from 16-bit halves. */
fn multiply(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle1 = (a >> 16u) * (b & 0xffffu);
  let middle2 = (a & 0xffffu) * (b >> 16u);
  let carry = (low >> 16u) + (middle1 & 0xffffu) + (middle2 & 0xffffu);
  return vec2u((a >> 16u) * (b >> 16u) + (middle1 >> 16u) + (middle2 >> 16u) + (carry >> 16u), a * b);
}

/** First word of Philox4x32-10 (Salmon et al. 2011). */
fn philox(counter: vec4u, key: vec2u) -> u32 {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let m0 = multiply(0xd2511f53u, c.x);
    let m1 = multiply(0xcd9e8d57u, c.z);
    c = vec4u(m1.x ^ c.y ^ k.x, m1.y, m0.x ^ c.w ^ k.y, m0.y);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c.x;
}

/** Sum over all lanes, the same in each. */
fn sumOverLanes(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < LANES; i++) {
    total += partial[i];
  }
  workgroupBarrier();
  return total;
}

fn countOverLanes(lane: u32, value: u32) -> u32 {
  partialIndex[lane] = value;
  workgroupBarrier();
  var total = 0u;
  for (var i = 0u; i < LANES; i++) {
    total += partialIndex[i];
  }
  workgroupBarrier();
  return total;
}

fn lowestOverLanes(lane: u32, value: u32) -> u32 {
  partialIndex[lane] = value;
  workgroupBarrier();
  var lowest = value;
  for (var i = 0u; i < LANES; i++) {
    lowest = min(lowest, partialIndex[i]);
  }
  workgroupBarrier();
  return lowest;
}

/** An integer that orders as the float does, both zeros alike. */
fn ordered(z: f32) -> u32 {
  let bits = bitcast<u32>(select(z, 0.0, z == 0.0));
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

/** `ordered` of the k-th largest logit of the row at `base`. */
fn kthLargest(lane: u32, base: u32, k: u32) -> u32 {
  let start = base + lane * CHUNK;
  let end = base + min(lane * CHUNK + CHUNK, V);
  var threshold = 0u;
  for (var bit = 0x80000000u; bit != 0u; bit >>= 1u) {
    let candidate = threshold | bit;
    var count = 0u;
    for (var i = start; i < end; i++) {
      count += select(0u, 1u, ordered(logits[i]) >= candidate);
    }
    if (countOverLanes(lane, count) >= k) {
      threshold = candidate;
    }
  }
  return threshold;
}

/** Bits of the smallest weight of the nucleus: the largest W with Σ weights ≥ W at least `mass`. */
fn nucleusThreshold(lane: u32, base: u32, mass: f32) -> u32 {
  let start = base + lane * CHUNK;
  let end = base + min(lane * CHUNK + CHUNK, V);
  var threshold = 0u;
  // Weights are at most 1, whose highest bit is 2^29.
  for (var bit = 0x20000000u; bit != 0u; bit >>= 1u) {
    let candidate = threshold | bit;
    var sum = 0.0;
    for (var i = start; i < end; i++) {
      sum += select(0.0, weights[i], bitcast<u32>(weights[i]) >= candidate);
    }
    if (sumOverLanes(lane, sum) >= mass) {
      threshold = candidate;
    }
  }
  return threshold;
}

/** Inverse of the cumulative distribution of the weights, in index order, at u. */
fn draw(lane: u32, base: u32, u: f32) -> u32 {
  let start = lane * CHUNK;
  let end = min(start + CHUNK, V);
  var sum = 0.0;
  for (var v = start; v < end; v++) {
    sum += weights[base + v];
  }
  partial[lane] = sum;
  workgroupBarrier();
  var total = 0.0;
  var running = 0.0;
  for (var i = 0u; i < LANES; i++) {
    running = select(running, total, i == lane);
    total += partial[i];
  }
  workgroupBarrier();
  let wanted = u * total;
  var first = V;
  var kept = 0u;
  for (var v = start; v < end; v++) {
    let weight = weights[base + v];
    running += weight;
    if (weight > 0.0) {
      kept = v;
      if (running > wanted && first == V) {
        first = v;
      }
    }
  }
  let found = lowestOverLanes(lane, first);
  let lastKept = V - 1u - lowestOverLanes(lane, V - 1u - kept);
  return select(found, lastKept, found == V);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = rows[group.x];
  let s = settings[row];
  let base = group.x * V;
  let start = base + lane * CHUNK;
  let end = base + min(lane * CHUNK + CHUNK, V);

  // Largest logit, its lowest index, and the second largest.
  var highest = -3.0e38;
  var second = -3.0e38;
  var best = V;
  for (var i = start; i < end; i++) {
    let z = logits[i];
    if (z > highest) {
      second = highest;
      highest = z;
      best = i - base;
    } else {
      second = max(second, z);
    }
  }
  partial[lane] = highest;
  partialSecond[lane] = second;
  partialIndex[lane] = best;
  workgroupBarrier();
  highest = partial[0];
  second = partialSecond[0];
  best = partialIndex[0];
  for (var i = 1u; i < LANES; i++) {
    second = max(max(second, partialSecond[i]), min(highest, partial[i]));
    best = select(best, partialIndex[i], partial[i] > highest);
    highest = max(highest, partial[i]);
  }
  workgroupBarrier();

  var sum = 0.0;
  for (var i = start; i < end; i++) {
    sum += exp(logits[i] - highest);
  }
  let denominator = sumOverLanes(lane, sum);

  var token = min(best, V - 1u);
  if (s.temperature > 0.0) {
    var least = 0u;
    if (s.topK > 0u && s.topK < V) {
      least = kthLargest(lane, base, s.topK);
    }
    let top = highest / s.temperature;
    var mass = 0.0;
    for (var i = start; i < end; i++) {
      let weight = select(0.0, exp(logits[i] / s.temperature - top), ordered(logits[i]) >= least);
      weights[i] = weight;
      mass += weight;
    }
    if (s.topP < 1.0) {
      let threshold = nucleusThreshold(lane, base, s.topP * sumOverLanes(lane, mass));
      for (var i = start; i < end; i++) {
        weights[i] = select(0.0, weights[i], bitcast<u32>(weights[i]) >= threshold);
      }
    }
    let word = philox(vec4u(state[row].z, s.counter1, s.counter2, s.counter3), vec2u(s.key0, s.key1));
    token = draw(lane, base, f32(word >> 8u) * 0x1p-24 + 0x1p-25);
  }

  // Every lane has read the state above before lane 0 changes it.
  workgroupBarrier();
  if (lane == 0u) {
    let before = state[row];
    let logprob = logits[base + token] - highest - log(denominator);
    results[group.x] = vec4u(token, bitcast<u32>(logprob), bitcast<u32>(highest - second), before.z);
    state[row] = vec4u(before.x + 1u, token, before.z + 1u, before.w);
  }
}
