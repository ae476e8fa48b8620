// The copy of one adapter in f16 that generation and scoring read: its weights times 2^k, and its scale times 2^-2k.
//
//   weights    pool; the adapter is p.quads vectors from p.first on
//   scale      [slots] alpha / rank; the adapter's is at p.slot
//   peak       bits of the largest magnitude among its weights, from adapter_peak
//   copy       pool of the same layout, two weights in a word; see adapters_f16
//   copyScale  [slots]
//
// k brings the largest weight to between 2^14 and 2^15, so nothing is cut off, and a weight becomes 0 only where it is less than 2^-28 of
// the largest: f16 has no small numbers (half). A and B are both times 2^k, so B·(scale·A·x) has the bits that the rounded weights
// would have in f32. k is between -30 and 40, for which 2^-2k is an f32: weights beyond 2^45 are cut off.
//
// Grid: x, as many as one likes; an invocation takes every so many-th vector.

const LANES = 64u;

struct Params {
  quads: u32,
  first: u32,
  slot: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> peak: u32;
@group(0) @binding(4) var<storage, read_write> copy: array<vec2u>;
@group(0) @binding(5) var<storage, read_write> copyScale: array<f32>;

//@half_pair

/** 2^exponent, exactly. */
fn powerOfTwo(exponent: i32) -> f32 {
  return bitcast<f32>(u32(127 + exponent) << 23u);
}

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let k = clamp(14 - (i32(peak >> 23u) - 127), -30, 40);
  if (id.x == 0u) {
    copyScale[p.slot] = scale[p.slot] * powerOfTwo(-2 * k);
  }
  let factor = powerOfTwo(k);
  for (var i = id.x; i < p.quads; i += LANES * groups.x) {
    let values = weights[p.first + i] * factor;
    copy[p.first + i] = vec2u(halfPair(values.xy), halfPair(values.zw));
  }
}
