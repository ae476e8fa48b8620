// Turns the logits of an ensemble's parts into those of their mixture. The parts are K neighbouring lines; their mixture at
// temperature 1 takes the place of the first, the one at the row's temperature that of the second:
//   logits[first, v] = log Σ_k w_k softmax(z_k)[v],  logits[first + 1, v] = log Σ_k w_k softmax(z_k / T)[v].
// Other lines are left as they are. A probability too small for f32 counts as the smallest; NaN where a logit is not finite.
//
//   logits [N, V], rows [N] row of each line, settings [rows]
//
// Grid: x over N. LANES invocations share a mixture. Each takes a contiguous part of the vocabulary, or with STRIDED elements
// lane, lane + LANES, …. Partial sums are added in lane order, parts in theirs.

override V: u32;
override LANES: u32;
override STRIDED: bool;

const CHUNK = (V + LANES - 1u) / LANES;
const STEP = select(1u, LANES, STRIDED);
const SMALLEST = 1.0e-37;
// MOST_PARTS in mixture.ts
const MOST_PARTS = 16u;

struct Params {
  count: u32,
}

//@sampling_settings

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> settings: array<Settings>;

//@finite

var<workgroup> partial: array<vec2f, LANES>;
// Of each part: largest logit, weight / sum at temperature 1, weight / sum at the row's
var<workgroup> parts: array<vec3f, MOST_PARTS>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = settings[rows[group.x]];
  if (s.parts < 2u || s.parts > MOST_PARTS) {
    return;
  }
  let temperature = select(1.0, s.temperature, s.temperature > 0.0);
  let first = group.x * V;
  let start = select(lane * CHUNK, lane, STRIDED);
  let end = select(min(start + CHUNK, V), V, STRIDED);
  for (var k = 0u; k < s.parts; k++) {
    let base = first + k * V;
    var highest = -3.0e38;
    for (var v = start; v < end; v += STEP) {
      highest = max(highest, logits[base + v]);
    }
    partial[lane] = vec2f(highest, 0.0);
    workgroupBarrier();
    for (var i = 0u; i < LANES; i++) {
      highest = max(highest, partial[i].x);
    }
    workgroupBarrier();
    var sums = vec2f();
    for (var v = start; v < end; v += STEP) {
      let z = logits[base + v];
      let below = z - highest;
      sums += vec2f(exp(below), exp(below / temperature)) + vec2f(poison(z));
    }
    partial[lane] = sums;
    workgroupBarrier();
    if (lane == 0u) {
      var total = vec2f();
      for (var i = 0u; i < LANES; i++) {
        total += partial[i];
      }
      let weight = settings[rows[group.x + k]].share;
      parts[k] = vec3f(highest, weight / total.x, weight / total.y);
    }
    workgroupBarrier();
  }
  for (var v = start; v < end; v += STEP) {
    var sums = vec2f();
    var broken = 0.0;
    for (var k = 0u; k < s.parts; k++) {
      let below = logits[first + k * V + v] - parts[k].x;
      sums += vec2f(exp(below), exp(below / temperature)) * parts[k].yz;
      broken += poison(parts[k].y);
    }
    logits[first + v] = log(max(sums.x, SMALLEST)) + broken;
    logits[first + V + v] = log(max(sums.y, SMALLEST)) + broken;
  }
}
