// Samples one token per row from its logits and moves the row's state on, LANES invocations a row: sample_tokens for devices
// that want neighbouring lanes to read neighbouring words.
//
// What is read and written, and which token is drawn: see sampling.
//
// Grid: x over N. Lane i takes elements i, i + LANES, …; partial results are combined as a tree of fixed shape. Thresholds are
// found two bits at a time on the floats' ordered integer images and only until the set they keep is settled; the draw
// descends through 16 pieces of 16 pieces.
// A row takes 2 passes over V (4 bytes an element each) at temperature 0, 4 when drawing from all tokens, and for each of
// top-k and top-p about 8 more, at most 16; nowhere does one lane walk V alone.

const LANES = 256u;
// The draw's pieces, and lanes that share one
const PIECES = 16u;
const SHARE = LANES / PIECES;

// Numbers rather than constants, lest compilers unroll loops with barriers in them
struct Params {
  // V
  vocabulary: u32,
  // LANES / 2
  half: u32,
}

@group(0) @binding(0) var<uniform> p: Params;

//@sampling

var<workgroup> sums: array<vec4f, LANES>;
var<workgroup> counts: array<vec4u, LANES>;
// Of the draw's pieces
var<workgroup> pieces: array<f32, PIECES>;
// What all lanes go on with: see kthLargest, nucleusThreshold and draw
var<workgroup> decision: vec4u;

/** Sums over all lanes end in sums[0] and counts[0]. */
fn addOverLanes(lane: u32, value: vec4f, count: vec4u) {
  sums[lane] = value;
  counts[lane] = count;
  workgroupBarrier();
  for (var half = p.half; half > 0u; half >>= 1u) {
    if (lane < half) {
      sums[lane] += sums[lane + half];
      counts[lane] += counts[lane + half];
    }
    workgroupBarrier();
  }
}

/** Sum over all lanes, the same in each. */
fn sumOverLanes(lane: u32, value: f32) -> f32 {
  addOverLanes(lane, vec4f(value), vec4u());
  let total = sums[0].x;
  workgroupBarrier();
  return total;
}

/** A lower bound of `ordered` of the k-th largest logit that keeps the same tokens: those at or above it. */
fn kthLargest(lane: u32, base: u32, k: u32) -> u32 {
  var threshold = 0u;
  var shift = 32u;
  // decision: threshold, 1 when it is settled
  while (shift > 0u) {
    shift -= 2u;
    let candidates = vec4u(threshold) | (vec4u(0u, 1u, 2u, 3u) << vec4u(shift));
    var count = vec4u();
    for (var v = lane; v < p.vocabulary; v += LANES) {
      count += select(vec4u(), vec4u(1u), vec4u(ordered(logits[base + v])) >= candidates);
    }
    addOverLanes(lane, vec4f(), count);
    if (lane == 0u) {
      let found = counts[0];
      // count of candidate 0 is at least k from the passes before; the largest that still has k is the next threshold.
      let digit = select(select(select(0u, 1u, found.y >= k), 2u, found.z >= k), 3u, found.w >= k);
      decision = vec4u(threshold | (digit << shift), select(0u, 1u, found[digit] == k), 0u, 0u);
    }
    let next = workgroupUniformLoad(&decision);
    threshold = next.x;
    if (next.y == 1u) {
      break;
    }
  }
  return threshold;
}

/** Bits of a weight such that the tokens at or above it are the nucleus: the fewest largest with at least `mass`. */
fn nucleusThreshold(lane: u32, base: u32, mass: f32) -> u32 {
  var threshold = 0u;
  // Weights are at most 1, whose highest bit is 2^29.
  var shift = 30u;
  // Tokens at or above the smallest candidate that was found to have too little
  var above = 0u;
  // decision: threshold, above, 1 when it is settled
  while (shift > 0u) {
    shift -= 2u;
    var sum = vec4f();
    var count = vec4u();
    let candidates = vec4u(threshold) | (vec4u(0u, 1u, 2u, 3u) << vec4u(shift));
    for (var v = lane; v < p.vocabulary; v += LANES) {
      let weight = weights[base + v];
      let kept = vec4u(bitcast<u32>(weight)) >= candidates;
      sum += select(vec4f(), vec4f(weight), kept);
      count += select(vec4u(), vec4u(1u), kept);
    }
    addOverLanes(lane, sum, count);
    if (lane == 0u) {
      let found = sums[0];
      let tokens = counts[0];
      let digit = select(select(select(0u, 1u, found.y >= mass), 2u, found.z >= mass), 3u, found.w >= mass);
      var fewer = above;
      if (digit < 3u) {
        fewer = tokens[digit + 1u];
      }
      // One token more than too few: no lower threshold is needed, and every higher one has too little.
      let settled = tokens[digit] - fewer <= 1u;
      decision = vec4u(threshold | (digit << shift), fewer, select(0u, 1u, settled), 0u);
    }
    let next = workgroupUniformLoad(&decision);
    threshold = next.x;
    above = next.y;
    if (next.z == 1u) {
      break;
    }
  }
  return threshold;
}

/** Inverse of the cumulative distribution, in index order, at u, of the weights whose bits are at least `least`. */
fn draw(lane: u32, base: u32, least: u32, u: f32) -> u32 {
  let piece = lane / SHARE;
  // decision: first of the piece to descend into, one past its last, bits of the sum before it, bits of u · total
  var range = vec4u(0u, p.vocabulary, 0u, 0u);
  while (range.y - range.x > 1u) {
    let size = (range.y - range.x + PIECES - 1u) / PIECES;
    let start = range.x + piece * size;
    let end = min(start + size, range.y);
    var sum = 0.0;
    for (var v = start + lane % SHARE; v < end; v += SHARE) {
      let weight = weights[base + v];
      sum += select(0.0, weight, bitcast<u32>(weight) >= least);
    }
    sums[lane].x = sum;
    workgroupBarrier();
    if (lane < PIECES) {
      var ofPiece = 0.0;
      for (var i = 0u; i < SHARE; i++) {
        ofPiece += sums[lane * SHARE + i].x;
      }
      pieces[lane] = ofPiece;
    }
    workgroupBarrier();
    if (lane == 0u) {
      decision = chosenPiece(range, size, u);
    }
    range = workgroupUniformLoad(&decision);
  }
  return range.x;
}

/** The piece of `range` in which the running sum exceeds what is wanted, else the last with a weight. */
fn chosenPiece(range: vec4u, size: u32, u: f32) -> vec4u {
  var wanted = bitcast<f32>(range.w);
  // Later ranges are smaller.
  if (range.x == 0u && range.y == p.vocabulary) {
    var total = 0.0;
    for (var i = 0u; i < PIECES; i++) {
      total += pieces[i];
    }
    wanted = u * total;
  }
  var running = bitcast<f32>(range.z);
  var chosen = 0u;
  var before = running;
  for (var i = 0u; i < PIECES; i++) {
    let weight = pieces[i];
    if (weight > 0.0) {
      chosen = i;
      before = running;
      running += weight;
      if (running > wanted) {
        break;
      }
    }
  }
  let start = range.x + chosen * size;
  return vec4u(start, min(start + size, range.y), bitcast<u32>(before), bitcast<u32>(wanted));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = rows[group.x];
  let s = settings[row];
  if (s.parts == 0u) {
    return;
  }
  let base = group.x * p.vocabulary;

  // Largest logit, its lowest index, and the second largest.
  var largest = vec4f(-3.0e38, -3.0e38, 0.0, 0.0);
  var best = p.vocabulary;
  for (var v = lane; v < p.vocabulary; v += LANES) {
    let z = logits[base + v];
    if (z > largest.x) {
      largest = vec4f(z, largest.x, 0.0, 0.0);
      best = v;
    } else {
      largest.y = max(largest.y, z);
    }
  }
  sums[lane] = largest;
  counts[lane].x = best;
  workgroupBarrier();
  for (var half = p.half; half > 0u; half >>= 1u) {
    if (lane < half) {
      let mine = sums[lane];
      let other = sums[lane + half];
      let index = counts[lane + half].x;
      if (other.x > mine.x || (other.x == mine.x && index < counts[lane].x)) {
        counts[lane].x = index;
      }
      sums[lane] = vec4f(max(mine.x, other.x), max(max(mine.y, other.y), min(mine.x, other.x)), 0.0, 0.0);
    }
    workgroupBarrier();
  }
  let highest = sums[0].x;
  let second = sums[0].y;
  best = counts[0].x;
  workgroupBarrier();

  var sum = 0.0;
  for (var v = lane; v < p.vocabulary; v += LANES) {
    let z = logits[base + v];
    sum += exp(z - highest) + poison(z);
  }
  let denominator = sumOverLanes(lane, sum);

  var token = min(best, p.vocabulary - 1u);
  if (s.temperature > 0.0) {
    let source = sourceOf(s);
    let drawn = base + source.line * p.vocabulary;
    var least = 0u;
    if (s.topK > 0u && s.topK < p.vocabulary) {
      least = kthLargest(lane, drawn, s.topK);
    }
    // Probabilities of a mixture are at most 1 as they are.
    let top = select(highest / s.temperature, 0.0, source.line > 0u);
    var mass = 0.0;
    for (var v = lane; v < p.vocabulary; v += LANES) {
      let z = logits[drawn + v];
      let weight = select(0.0, exp(z / source.temperature - top), ordered(z) >= least);
      weights[base + v] = weight;
      mass += weight;
    }
    var threshold = 0u;
    if (s.topP < 1.0) {
      threshold = nucleusThreshold(lane, base, s.topP * sumOverLanes(lane, mass));
    }
    // In `draw` lanes read weights that other lanes wrote.
    storageBarrier();
    token = draw(lane, base, threshold, uniformDraw(s, state[row].z));
  }

  // Every lane has read the state above before lane 0 changes it.
  workgroupBarrier();
  if (lane == 0u) {
    recordToken(group.x, row, token, logits[base + token], highest, second, denominator);
  }
}
