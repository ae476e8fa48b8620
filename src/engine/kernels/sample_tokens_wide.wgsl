// Samples one token per row from its logits and moves the row's state on, LANES invocations a row: sample_tokens for devices
// that want neighbouring lanes to read neighbouring words.
//
// What is read and written, and which token is drawn: see sampling. The constant LINE says whether lines are read as vectors of four (V a multiple of
// 4), or number by number; both have the same bits.
//
// Grid: x over N. Lane i takes the quads i, i + LANES, … of a line; partial results are combined as a tree of fixed shape. Thresholds
// are found eight bits at a time on the floats' ordered integer images, by a histogram in workgroup memory, and only until the set they
// keep is settled. Masses in it are exact: the weights of a bin have one exponent, and their mantissas are added as integers. The draw descends
// through 16 pieces of 16 pieces.
// A row takes 2 passes over V (4 bytes an element each) at temperature 0, 4 when drawing from all tokens, and for each of
// top-k and top-p 2 or 3 more, at most 4; nowhere does one lane walk V alone. With SLICED the first three were made by many workgroups, and
// drawing from all tokens begins with their masses: this kernel then reads a slice of V.

// Whether `parts` holds the line's largest logits, denominators and weights already, of SLICES workgroups: see sample_scan and sample_weigh
override SLICED: bool;

// The draw's pieces, and lanes that share one; also bins that are walked in one go
const PIECES = 16u;
const SHARE = LANES / PIECES;
const BINS = LANES;
// Bits of a digit
const DIGIT = 8u;

// Numbers rather than constants, lest compilers unroll loops with barriers in them
struct Params {
  // V
  vocabulary: u32,
  // LANES / 2
  half: u32,
  // SLICES
  slices: u32,
}

@group(0) @binding(0) var<uniform> p: Params;

//@sampling

//@line

//@slices

@group(0) @binding(7) var<storage, read> parts: array<vec4u>;

// Of the draw's pieces
var<workgroup> pieces: array<f32, PIECES>;
// Of a digit's values: tokens, and the sums of the lower and the upper half of their mantissas
var<workgroup> tokensOf: array<atomic<u32>, BINS>;
var<workgroup> lowOf: array<atomic<u32>, BINS>;
var<workgroup> highOf: array<atomic<u32>, BINS>;
// Mass of each bin
var<workgroup> massOf: array<f32, BINS>;
// What all lanes go on with: see kthLargest, nucleusThreshold and draw
var<workgroup> decision: vec4u;

fn clearBins(lane: u32) {
  atomicStore(&tokensOf[lane], 0u);
  atomicStore(&lowOf[lane], 0u);
  atomicStore(&highOf[lane], 0u);
  workgroupBarrier();
}

/** Value of the `width` bits from `shift` up where the bits above them are those of `prefix`, else BINS. */
fn digitOf(bits: u32, prefix: u32, shift: u32, width: u32) -> u32 {
  // No shift by 32.
  let differs = ((bits ^ prefix) >> (shift + width - 1u)) >> 1u;
  return select(BINS, (bits >> shift) & ((1u << width) - 1u), differs == 0u);
}

/** A lower bound of `ordered` of the k-th largest logit that keeps the same tokens: those at or above it. */
fn kthLargest(lane: u32, base: u32, k: u32) -> u32 {
  var threshold = 0u;
  // Tokens above all that have the threshold's digits so far
  var above = 0u;
  var shift = 32u;
  // decision: threshold, above, 1 when it is settled
  while (shift > 0u) {
    shift -= DIGIT;
    clearBins(lane);
    for (var i = lane; i < quads(); i += LANES) {
      let z = logits4(base, i);
      for (var j = 0u; j < members(i); j++) {
        let digit = digitOf(ordered(z[j]), threshold, shift, DIGIT);
        if (digit < BINS) {
          atomicAdd(&tokensOf[digit], 1u);
        }
      }
    }
    workgroupBarrier();
    if (lane == 0u) {
      var more = above;
      var digit = BINS - 1u;
      var own = atomicLoad(&tokensOf[digit]);
      // The largest digit that has k tokens with all above it.
      while (digit > 0u && more + own < k) {
        more += own;
        digit--;
        own = atomicLoad(&tokensOf[digit]);
      }
      decision = vec4u(threshold | (digit << shift), more, select(0u, 1u, more + own == k), 0u);
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

/**
 * Bits of a weight such that the tokens at or above it are the nucleus: the fewest largest with at least `mass`. Weights are at most 1,
 * whose highest bit is 2^29: the first digit, 22 bits up, has the exponent and a bit of the mantissa.
 */
fn nucleusThreshold(lane: u32, base: u32, mass: f32) -> u32 {
  var threshold = 0u;
  // Mass above all that have the threshold's digits so far
  var above = 0.0;
  var shift = 30u;
  // decision: threshold, bits of above, 1 when it is settled
  while (shift > 0u) {
    // The last one has 6 bits.
    let width = min(shift, DIGIT);
    shift -= width;
    clearBins(lane);
    for (var i = lane; i < quads(); i += LANES) {
      let weight = weights4(base, i);
      for (var j = 0u; j < members(i); j++) {
        let bits = bitcast<u32>(weight[j]);
        let digit = digitOf(bits, threshold, shift, width);
        if (digit < BINS) {
          // Zeros and subnormals have no leading bit.
          let mantissa = (bits & 0x7fffffu) | select(0u, 0x800000u, bits >= 0x800000u);
          atomicAdd(&tokensOf[digit], 1u);
          atomicAdd(&lowOf[digit], mantissa & 0xfffu);
          atomicAdd(&highOf[digit], mantissa >> 12u);
        }
      }
    }
    workgroupBarrier();
    let exponent = (threshold | (lane << shift)) >> 23u;
    let unit = bitcast<f32>(max(exponent, 1u) << 23u) * 0x1p-23;
    massOf[lane] = fma(f32(atomicLoad(&highOf[lane])), 4096.0, f32(atomicLoad(&lowOf[lane]))) * unit;
    workgroupBarrier();
    if (lane < PIECES) {
      var sum = 0.0;
      for (var i = SHARE; i > 0u; i--) {
        sum += massOf[lane * SHARE + i - 1u];
      }
      pieces[lane] = sum;
    }
    workgroupBarrier();
    if (lane == 0u) {
      decision = digitWithMass(threshold, shift, above, mass);
    }
    let next = workgroupUniformLoad(&decision);
    threshold = next.x;
    above = bitcast<f32>(next.y);
    if (next.z == 1u) {
      break;
    }
  }
  return threshold;
}

/** The largest digit that has `mass` with all above it, else the lowest. */
fn digitWithMass(threshold: u32, shift: u32, before: f32, mass: f32) -> vec4u {
  var above = before;
  var piece = PIECES - 1u;
  while (piece > 0u && above + pieces[piece] < mass) {
    above += pieces[piece];
    piece--;
  }
  var digit = piece * SHARE + SHARE - 1u;
  while (digit > piece * SHARE && above + massOf[digit] < mass) {
    above += massOf[digit];
    digit--;
  }
  // One token: no lower threshold is needed, and every higher one has too little.
  let settled = atomicLoad(&tokensOf[digit]) <= 1u;
  return vec4u(threshold | (digit << shift), bitcast<u32>(above), select(0u, 1u, settled), 0u);
}

fn kept(weight: vec4f, least: u32) -> vec4f {
  return select(vec4f(), weight, bitcast<vec4u>(weight) >= vec4u(least));
}

/** Inverse of the cumulative distribution, in index order, at u, of the weights whose bits are at least `least`. */
fn draw(lane: u32, base: u32, least: u32, u: f32, begin: vec4u) -> u32 {
  let piece = lane / SHARE;
  // decision: first quad of the piece to descend into, one past its last, bits of the sum before it, bits of u · total
  if (lane == 0u) {
    decision = begin;
  }
  var range = workgroupUniformLoad(&decision);
  // From all of them: what is wanted is not known yet.
  var first = range.x == 0u && range.y == quads();
  while (first || range.y - range.x > 1u) {
    let size = (range.y - range.x + PIECES - 1u) / PIECES;
    let start = range.x + piece * size;
    let end = min(start + size, range.y);
    var sum = 0.0;
    for (var i = start + lane % SHARE; i < end; i += SHARE) {
      let weight = kept(weights4(base, i), least);
      sum += (weight.x + weight.y) + (weight.z + weight.w);
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
      decision = chosenPiece(range, size, u, first);
    }
    range = workgroupUniformLoad(&decision);
    first = false;
  }
  // Within the quad by the same rule.
  let weight = kept(weights4(base, range.x), least);
  var running = bitcast<f32>(range.z);
  var chosen = 0u;
  for (var j = 0u; j < 4u; j++) {
    if (weight[j] > 0.0) {
      chosen = j;
      running += weight[j];
      if (running > bitcast<f32>(range.w)) {
        break;
      }
    }
  }
  return 4u * range.x + chosen;
}

/** The slice in which the running sum of the masses exceeds u · total, else the last with a weight; as `decision` in `draw`. */
fn chosenSlice(line: u32, total: f32, u: f32) -> vec4u {
  let wanted = u * total;
  var running = 0.0;
  var before = 0.0;
  var chosen = 0u;
  for (var i = 0u; i < p.slices; i++) {
    let weight = bitcast<f32>(parts[partOf(line, i) + 1u].y);
    if (weight > 0.0) {
      chosen = i;
      before = running;
      running += weight;
      if (running > wanted) {
        break;
      }
    }
  }
  let slice = sliceOf(chosen);
  return vec4u(slice, bitcast<u32>(before), bitcast<u32>(wanted));
}

/** The piece of `range` in which the running sum exceeds what is wanted, else the last with a weight. */
fn chosenPiece(range: vec4u, size: u32, u: f32, first: bool) -> vec4u {
  var wanted = bitcast<f32>(range.w);
  if (first) {
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

  var found: Largest;
  var denominator = 0.0;
  if (SLICED) {
    for (var i = 0u; i < p.slices; i++) {
      found = larger(found, largestIn(parts[partOf(group.x, i)]), i == 0u);
      denominator += bitcast<f32>(parts[partOf(group.x, i) + 1u].x);
    }
  } else {
    found = largestOf(lane, base, vec2u(0u, quads()));
    denominator = sumOverLanes(lane, denominatorOf(lane, base, vec2u(0u, quads()), found.first));
  }

  var token = min(found.index, p.vocabulary - 1u);
  if (s.temperature > 0.0) {
    let source = sourceOf(s);
    let u = uniformDraw(s, state[row].z);
    var mass = 0.0;
    let weighed = SLICED && !limited(s);
    if (weighed) {
      for (var i = 0u; i < p.slices; i++) {
        mass += bitcast<f32>(parts[partOf(group.x, i) + 1u].y);
      }
    } else {
      let drawn = base + source.line * p.vocabulary;
      var least = 0u;
      if (limited(s)) {
        least = kthLargest(lane, drawn, s.topK);
      }
      mass = sumOverLanes(lane, weigh(lane, base, vec2u(0u, quads()), s, found.first, least));
    }
    var begin = vec4u(0u, quads(), 0u, 0u);
    var threshold = 0u;
    if (s.topP < 1.0) {
      threshold = nucleusThreshold(lane, base, s.topP * mass);
    } else if (weighed) {
      begin = chosenSlice(group.x, mass, u);
    }
    // In `draw` lanes read weights that other lanes wrote.
    storageBarrier();
    token = draw(lane, base, threshold, u, begin);
  }

  // Every lane has read the state above before lane 0 changes it.
  workgroupBarrier();
  if (lane == 0u) {
    recordToken(group.x, row, token, logitAt(base, token), found.first, found.second, denominator);
  }
}
