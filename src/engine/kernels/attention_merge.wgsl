// Puts the segments of attention together that attention_forward_wide has made one by one (SPLIT):
//   out[t, h] = Σ_s e_s sum[t, h, s] / Σ_s e_s total[t, h, s],  e_s = exp(highest[t, h, s] − the largest of them)
//
//   sums  [T, HEADS, segments, HEAD_DIM]
//   parts [T, HEADS, segments]  (largest score, denominator)
//   pos   [T]                   a token has segments up to that of its own key
//   out   [T, HEADS · HEAD_DIM], lse [T, HEADS]
//
// Host guarantees: HEAD_DIM is divisible by 4 and at most 4 · LANES. Grid: x over T · HEADS. A lane is four columns; segments are merged in
// ascending order, to the bit as attention_forward_wide does where a workgroup walks them.

override HEADS: u32;
override HEAD_DIM: u32;

const LANES = 64u;
const COLUMNS = HEAD_DIM / 4u;

struct Params {
  // Of the sums
  segments: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> sums: array<vec4f>;
@group(0) @binding(2) var<storage, read> parts: array<vec2f>;
@group(0) @binding(3) var<storage, read> pos: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;

//@segments

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let place = group.x;
  let own = min(pos[place / HEADS] / SEGMENT + 1u, p.segments);
  if (lane >= COLUMNS) {
    return;
  }
  var softmax: Softmax;
  var value: vec4f;
  for (var segment = 0u; segment < own; segment++) {
    let at = place * p.segments + segment;
    let next = Softmax(parts[at].x, parts[at].y);
    let sum = sums[at * COLUMNS + lane];
    if (segment == 0u) {
      softmax = next;
      value = sum;
    } else {
      let both = merged(softmax, next);
      softmax = both.softmax;
      value = fma(value, vec4f(both.before), sum * both.own);
    }
  }
  out[place * COLUMNS + lane] = value / softmax.total;
  if (lane == 0u) {
    lse[place] = softmax.highest + log(softmax.total);
  }
}
