// Samples one token per row from its logits and moves the row's state on.
//
// What is read and written, and which token is drawn: see sampling.
//
// Grid: x over N. LANES invocations share a row, each takes a contiguous part of the vocabulary; partial sums are added in
// lane order. Thresholds are found bit by bit on the floats' ordered integer images, which needs no sorting.

override V: u32;
override LANES: u32;

const CHUNK = (V + LANES - 1u) / LANES;

struct Params {
  count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;

//@sampling

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;

var<workgroup> partial: array<f32, LANES>;
var<workgroup> partialSecond: array<f32, LANES>;
var<workgroup> partialIndex: array<u32, LANES>;

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
  if (s.parts == 0u) {
    return;
  }
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
    sum += exp(logits[i] - highest) + poison(logits[i]);
  }
  let denominator = sumOverLanes(lane, sum);

  var token = min(best, V - 1u);
  if (s.temperature > 0.0) {
    let source = sourceOf(s);
    let shift = source.line * V;
    var least = 0u;
    if (s.topK > 0u && s.topK < V) {
      least = kthLargest(lane, base + shift, s.topK);
    }
    // Probabilities of a mixture are at most 1 as they are.
    let top = select(highest / s.temperature, 0.0, source.line > 0u);
    var mass = 0.0;
    for (var i = start; i < end; i++) {
      let z = logits[i + shift];
      let weight = select(0.0, exp(z / source.temperature - top), ordered(z) >= least);
      weights[i] = weight;
      mass += weight;
    }
    if (s.topP < 1.0) {
      let threshold = nucleusThreshold(lane, base, s.topP * sumOverLanes(lane, mass));
      for (var i = start; i < end; i++) {
        weights[i] = select(0.0, weights[i], bitcast<u32>(weights[i]) >= threshold);
      }
    }
    token = draw(lane, base, uniformDraw(s, state[row].z));
  }

  // Every lane has read the state above before lane 0 changes it.
  workgroupBarrier();
  if (lane == 0u) {
    recordToken(group.x, row, token, logits[base + token], highest, second, denominator);
  }
}
