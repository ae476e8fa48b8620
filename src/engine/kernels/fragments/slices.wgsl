// What the sampling kernels for GPUs do with a stretch of a line of logits: takes the place of the line `//@slices` beside `//@sampling`
// and `//@line`. LANES lanes share a stretch: lane i takes its quads i, i + LANES, …; partial results are combined as a tree of fixed shape.
//
// Of large vocabularies a line is cut in SLICES, a workgroup each. What a slice has found stands in `parts` [N, SLICES, 2]: bits of
// the largest logit and of the second, the largest one's index; bits of Σ exp(logit − the line's largest) and of the sum of weights.

const LANES = 256u;
const SLICES = 32u;

var<workgroup> sums: array<vec2f, LANES>;
var<workgroup> counts: array<u32, LANES>;

struct Largest {
  first: f32,
  second: f32,
  // The lowest of several
  index: u32,
}

fn partOf(line: u32, slice: u32) -> u32 {
  return 2u * (line * SLICES + slice);
}

/** First quad of a slice, and one past its last; the last slices may be empty. */
fn sliceOf(slice: u32) -> vec2u {
  let size = (quads() + SLICES - 1u) / SLICES;
  return min(vec2u(slice * size, (slice + 1u) * size), vec2u(quads()));
}

fn largestIn(part: vec4u) -> Largest {
  return Largest(bitcast<f32>(part.x), bitcast<f32>(part.y), part.z);
}

/** Of two stretches of one line, the first one before the second; `alone`: the second alone. */
fn larger(a: Largest, b: Largest, alone: bool) -> Largest {
  if (alone) {
    return b;
  }
  let second = max(max(a.second, b.second), min(a.first, b.first));
  if (b.first > a.first || (b.first == a.first && b.index < a.index)) {
    return Largest(b.first, second, b.index);
  }
  return Largest(a.first, second, a.index);
}

/** Sum over all lanes, the same in each. */
fn sumOverLanes(lane: u32, value: f32) -> f32 {
  sums[lane].x = value;
  workgroupBarrier();
  for (var half = p.half; half > 0u; half >>= 1u) {
    if (lane < half) {
      sums[lane].x += sums[lane + half].x;
    }
    workgroupBarrier();
  }
  let total = sums[0].x;
  workgroupBarrier();
  return total;
}

/** Largest logits of a stretch, the same in each lane. */
fn largestOf(lane: u32, base: u32, stretch: vec2u) -> Largest {
  var largest = vec2f(-3.0e38, -3.0e38);
  var best = p.vocabulary;
  for (var i = stretch.x + lane; i < stretch.y; i += LANES) {
    let z = logits4(base, i);
    for (var j = 0u; j < members(i); j++) {
      if (z[j] > largest.x) {
        largest = vec2f(z[j], largest.x);
        best = 4u * i + j;
      } else {
        largest.y = max(largest.y, z[j]);
      }
    }
  }
  sums[lane] = largest;
  counts[lane] = best;
  workgroupBarrier();
  for (var half = p.half; half > 0u; half >>= 1u) {
    if (lane < half) {
      let mine = Largest(sums[lane].x, sums[lane].y, counts[lane]);
      let other = Largest(sums[lane + half].x, sums[lane + half].y, counts[lane + half]);
      let both = larger(mine, other, false);
      sums[lane] = vec2f(both.first, both.second);
      counts[lane] = both.index;
    }
    workgroupBarrier();
  }
  let found = Largest(sums[0].x, sums[0].y, counts[0]);
  workgroupBarrier();
  return found;
}

/** This lane's part of Σ exp(logit − highest); NaN where a logit is not finite. */
fn denominatorOf(lane: u32, base: u32, stretch: vec2u, highest: f32) -> f32 {
  var sum = 0.0;
  for (var i = stretch.x + lane; i < stretch.y; i += LANES) {
    let z = logits4(base, i);
    for (var j = 0u; j < members(i); j++) {
      sum += exp(z[j] - highest) + poison(z[j]);
    }
  }
  return sum;
}

/** Whether top-k leaves tokens out. */
fn limited(s: Settings) -> bool {
  return s.topK > 0u && s.topK < p.vocabulary;
}

/** Stores the weights of a stretch of the line at `base`: 0 below `least`. This lane's part of their sum. */
fn weigh(lane: u32, base: u32, stretch: vec2u, s: Settings, highest: f32, least: u32) -> f32 {
  let source = sourceOf(s);
  let drawn = base + source.line * p.vocabulary;
  // Probabilities of a mixture are at most 1 as they are.
  let top = select(highest / s.temperature, 0.0, source.line > 0u);
  var mass = 0.0;
  for (var i = stretch.x + lane; i < stretch.y; i += LANES) {
    let z = logits4(drawn, i);
    var weight = exp(z / source.temperature - top);
    for (var j = 0u; j < 4u; j++) {
      weight[j] = select(0.0, weight[j], j < members(i) && ordered(z[j]) >= least);
    }
    storeWeights4(base, i, weight);
    mass += (weight.x + weight.y) + (weight.z + weight.w);
  }
  return mass;
}
