// Weighted cross-entropy of next tokens and its gradient by the logits, in place:
//   loss[n] = w_n · (log Σ_v exp(z_v) − z_target),  dZ = w_n · (softmax(z) − onehot(target)).
//
//   logits  [N, V]  N ≤ p.count tokens of this block; on exit their gradient
//   targets [..]    (target id, bits of the f32 weight w), loss [..]; the block's first element is p.first
//
// w already carries the division by the track's Σ |w|; a negative one makes its token less probable. Grid: x over p.count in TOKENS. LANES invocations share a token: one
// for a small vocabulary, 64 or 256 for larger ones; LANES · TOKENS ≤ 256. Every lane strides over the vocabulary, then the
// lanes' maxima and sums are combined in lane order.

override V: u32;
override LANES: u32;
override TOKENS: u32;

struct Params {
  first: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;

//@finite

var<workgroup> partial: array<f32, LANES * TOKENS>;

@compute @workgroup_size(LANES, TOKENS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // Lanes past the block's end work on its last token and write nothing: barriers need all of them.
  let inside = group.x * TOKENS + local.y < p.count;
  let n = min(group.x * TOKENS + local.y, p.count - 1u);
  let base = n * V;
  let start = local.y * LANES;
  let entry = targets[p.first + n];

  var highest = logits[base];
  for (var v = local.x; v < V; v += LANES) {
    highest = max(highest, logits[base + v]);
  }
  partial[lane] = highest;
  workgroupBarrier();
  for (var i = 0u; i < LANES; i++) {
    highest = max(highest, partial[start + i]);
  }
  workgroupBarrier();

  var sum = 0.0;
  for (var v = local.x; v < V; v += LANES) {
    let z = logits[base + v];
    // A logit of −∞ would go unnoticed.
    sum += exp(z - highest) + poison(z);
  }
  partial[lane] = sum;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < LANES; i++) {
    total += partial[start + i];
  }

  let logTotal = log(total);
  let weight = bitcast<f32>(entry.y);
  if (inside && local.x == entry.x % LANES) {
    loss[p.first + n] = weight * (logTotal - (logits[base + entry.x] - highest));
  }
  workgroupBarrier();
  if (inside) {
    for (var v = local.x; v < V; v += LANES) {
      let probability = exp(logits[base + v] - highest) / total;
      logits[base + v] = weight * (probability - select(0.0, 1.0, v == entry.x));
    }
  }
}
