// Log-probability of given tokens under the full softmax at temperature 1: logprob[n] = z_target − log Σ_v exp(z_v).
// NaN where a logit is not finite.
//
//   logits [N, V], targets [..], logprobs [..]; the block's first target is p.first
//
// Grid: x over N. LANES invocations share a token. Each takes a contiguous part of the vocabulary, or with STRIDED elements lane,
// lane + LANES, …, where neighbouring lanes had better read neighbouring words. Partial sums are added in lane order.

override V: u32;
override LANES: u32;
override STRIDED: bool;

const CHUNK = (V + LANES - 1u) / LANES;
const STEP = select(1u, LANES, STRIDED);

struct Params {
  first: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> logprobs: array<f32>;

//@finite

var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = group.x * V;
  let start = select(lane * CHUNK, lane, STRIDED);
  let end = select(min(start + CHUNK, V), V, STRIDED);
  var highest = -3.0e38;
  for (var v = start; v < end; v += STEP) {
    highest = max(highest, logits[base + v]);
  }
  partial[lane] = highest;
  workgroupBarrier();
  for (var i = 0u; i < LANES; i++) {
    highest = max(highest, partial[i]);
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var v = start; v < end; v += STEP) {
    let z = logits[base + v];
    sum += exp(z - highest) + poison(z);
  }
  partial[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var i = 0u; i < LANES; i++) {
      total += partial[i];
    }
    let n = p.first + group.x;
    logprobs[n] = logits[base + targets[n]] - highest - log(total) + poison(total);
  }
}
