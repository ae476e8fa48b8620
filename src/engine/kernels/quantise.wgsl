// Packs rows of an f32 matrix into f16, int8 or int4 (layouts: weights_f16, weights_int8, weights_int4), and says how far off
// they are.
//
//   x      [rows, IN]        the rows from `first` on
//   w      [·]               the whole packed matrix; only these rows' words are written
//   error  [rows, PAIRS, 4]  of every pair of groups: Σ (w − x)², Σ x², max |w − x|, how many numbers were too large for f16
//                            (weights of f16; scales of int8 and int4) and became the largest
//
// Groups have 32 weights along IN, PAIRS = ⌈⌈IN / 32⌉ / 2⌉. The scale of a group is f16:
//   int8  largest magnitude / 127 (times the f32 nearest to 1 / 127)
//   int4  the weight of largest magnitude, with its sign, / −8: that weight becomes −8 exactly, and the 16 values are all used
//         (as in llama.cpp's Q4_0)
// Values are rounded to the nearest, ties to even. Packing what was unpacked changes nothing: the largest gives the same scale.
// Drivers may take f16 numbers below 2^-14 for zero, and some do. So none is stored: scales are kept 64 times as large (largest
// magnitudes of 1.3e-4 in int8 and 8e-6 in int4 still have one), and what is smaller still becomes zero here, not on some devices.
//
// Host guarantees: IN is a multiple of 4. Grid: x over PAIRS in 64, y over rows. An invocation does two groups, because
// their scales share a word.

override BITS: u32;

const GROUP = 32u;
/** Products are exact to the last bit everywhere, quotients are not. */
const INVERSE_127 = 0x1.020408p-7;
/** Scales are stored times this. */
const SCALE_UNIT = 64.0;
/** LARGEST_F16 / SCALE_UNIT */
const LARGEST_SCALE = 1023.5;

struct Params {
  // IN
  width: u32,
  // vec4u of a packed row
  stride: u32,
  // Index of the first word of the scales.
  scales: u32,
  // First row of x in the matrix.
  first: u32,
  pairs: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> w: array<u32>;
@group(0) @binding(3) var<storage, read_write> error: array<f32>;

struct Stats {
  squares: f32,
  total: f32,
  largest: f32,
  saturated: f32,
}

fn count(stats: ptr<function, Stats>, value: f32, kept: f32) {
  let off = kept - value;
  (*stats).squares += off * off;
  (*stats).total += value * value;
  (*stats).largest = max((*stats).largest, abs(off));
}

//@half

/** A group's scale as it is read back. */
fn storedScale(scale: f32) -> f32 {
  return asF16(clamp(scale, -LARGEST_SCALE, LARGEST_SCALE) * SCALE_UNIT) * (1.0 / SCALE_UNIT);
}

/**
 * The whole number nearest to value / scale, ties to even, the same on every device: a quotient may be some units off, but a
 * small number times an f16 is exact, and so is its distance to a value beside it.
 */
fn nearest(value: f32, scale: f32, inverse: f32) -> f32 {
  let q = round(value * inverse);
  let off = value - q * scale;
  let half = 0.5 * abs(scale);
  if (abs(off) > half || (abs(off) == half && fract(0.5 * q) != 0.0)) {
    return q + sign(off) * sign(scale);
  }
  return q;
}

/** Packs group g of row r and returns its scale. */
fn packGroup(r: u32, g: u32, stats: ptr<function, Stats>) -> f32 {
  let begin = r * p.width + g * GROUP;
  let size = min(GROUP, p.width - g * GROUP);
  let words = (p.first + r) * p.stride * 4u + g * BITS;
  var extreme = 0.0;
  for (var i = 0u; i < size; i++) {
    let value = x[begin + i];
    if (abs(value) > abs(extreme)) {
      extreme = value;
    }
  }
  var scale = 1.0;
  if (BITS == 8u) {
    scale = abs(extreme) * INVERSE_127;
  } else if (BITS == 4u) {
    scale = extreme * -0.125;
  }
  if (BITS != 16u) {
    (*stats).saturated += select(0.0, 1.0, abs(scale) > LARGEST_SCALE);
    scale = storedScale(scale);
  }
  // A group of zeros, or of numbers that f16 cannot tell from them.
  let inverse = select(1.0 / scale, 0.0, scale == 0.0);
  let perWord = 32u / BITS;
  for (var k = 0u; k < BITS; k++) {
    var word = select(0u, 0x88888888u, BITS == 4u);
    for (var j = 0u; j < perWord; j++) {
      let i = k * perWord + j;
      if (i >= size) {
        break;
      }
      let value = x[begin + i];
      if (BITS == 16u) {
        (*stats).saturated += select(0.0, 1.0, abs(value) > LARGEST_F16);
        let kept = asF16(clamp(value, -LARGEST_F16, LARGEST_F16));
        word |= (pack2x16float(vec2f(kept, 0.0)) & 0xffffu) << (16u * j);
        count(stats, value, kept);
      } else if (BITS == 8u) {
        let q = clamp(nearest(value, scale, inverse), -127.0, 127.0);
        word |= (u32(i32(q)) & 0xffu) << (8u * j);
        count(stats, value, q * scale);
      } else {
        let q = clamp(nearest(value, scale, inverse), -8.0, 7.0);
        word = (word & ~(15u << (4u * j))) | (u32(i32(q) + 8) << (4u * j));
        count(stats, value, q * scale);
      }
    }
    w[words + k] = word;
  }
  return scale;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let pair = group.x * 64u + local.x;
  if (pair >= p.pairs) {
    return;
  }
  let r = group.y;
  let groups = (p.width + GROUP - 1u) / GROUP;
  var stats = Stats(0.0, 0.0, 0.0, 0.0);
  var scales = vec2f();
  scales.x = packGroup(r, 2u * pair, &stats);
  if (2u * pair + 1u < groups) {
    scales.y = packGroup(r, 2u * pair + 1u, &stats);
  }
  if (BITS != 16u) {
    w[p.scales + (p.first + r) * p.pairs + pair] = pack2x16float(scales * SCALE_UNIT);
  }
  let at = 4u * (r * p.pairs + pair);
  error[at] = stats.squares;
  error[at + 1u] = stats.total;
  error[at + 2u] = stats.largest;
  error[at + 3u] = stats.saturated;
}
