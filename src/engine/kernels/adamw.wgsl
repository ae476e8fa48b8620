// One AdamW step (Loshchilov & Hutter 2019, Algorithm 2; torch.optim.AdamW) of every track's adapter, with the gradient
// clipped to a largest global norm as torch.nn.utils.clip_grad_norm_ does: g ← g · min(1, clip / (‖g‖ + 1e-6)).
//   θ ← θ − lr·λ·θ,  m ← β1·m + (1 − β1)·g,  v ← β2·v + (1 − β2)·g²,
//   θ ← θ − (lr / bias1) · m / (√v / √bias2 + eps),  bias_i = 1 − β_i^step.
//
//   steps [G]    what differs between tracks in this step; clip = 0: no clipping
//   results      [G] pairs of floats (loss, squared gradient norm), then [G] integers: the bits of the largest magnitude among
//                the updated weights where it is DOUBTFUL or more, those of infinity or NaN where a weight or moment is; 0 before
//   weights, grad, m, v  pools with p.slotElements per slot (a multiple of 4)
//
// An adapter whose loss or gradient is not finite stays as it was.
//
// Grid: x over p.slotElements / 4 in 64, going on in z where x is too short, y over tracks.

struct Params {
  slotElements: u32,
  beta1: f32,
  beta2: f32,
  // 1 − β, rounded once from 64 bits by the host
  rest1: f32,
  rest2: f32,
  eps: f32,
  // Workgroups in x
  groupsX: u32,
  // G
  tracks: u32,
}

struct Step {
  slot: u32,
  clip: f32,
  // lr / bias1
  stepSize: f32,
  // √bias2
  rootBias2: f32,
  // 1 − lr·λ
  decay: f32,
  unused0: u32,
  unused1: u32,
  unused2: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> steps: array<Step>;
@group(0) @binding(2) var<storage, read_write> results: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read> grad: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> v: array<vec4f>;

//@finite

/** Bits of 1024, see DOUBTFUL_WEIGHT in finite.ts. */
const DOUBTFUL = 0x44800000u;

/** Bits of magnitudes order as they do, infinity and NaN above all. */
fn magnitudes(values: vec4f) -> vec4u {
  return bitcast<vec4u>(values) & vec4u(0x7fffffffu);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let element = (group.z * p.groupsX + group.x) * 64u + local.x;
  if (element >= p.slotElements / 4u) {
    return;
  }
  let step = steps[group.y];
  let loss = bitcast<f32>(atomicLoad(&results[2u * group.y]));
  let squares = bitcast<f32>(atomicLoad(&results[2u * group.y + 1u]));
  if (!isFinite(loss) || !isFinite(squares)) {
    return;
  }
  var factor = 1.0;
  if (step.clip > 0.0) {
    factor = min(1.0, step.clip / (sqrt(squares) + 1e-6));
  }
  let i = step.slot * (p.slotElements / 4u) + element;
  let g = grad[i] * factor;
  let first = p.beta1 * m[i] + p.rest1 * g;
  let second = p.beta2 * v[i] + p.rest2 * (g * g);
  m[i] = first;
  v[i] = second;
  // The pool's padding has no gradient ever: its 0/0 must not become NaN when eps is 0.
  let denominator = max(sqrt(second) / step.rootBias2 + p.eps, vec4f(1e-37));
  let updated = weights[i] * step.decay - step.stepSize * (first / denominator);
  weights[i] = updated;
  let moments = max(magnitudes(first), magnitudes(second));
  let sizes = max(magnitudes(updated), select(vec4u(), moments, moments >= vec4u(EXPONENT)));
  let peak = max(max(sizes.x, sizes.y), max(sizes.z, sizes.w));
  if (peak >= DOUBTFUL) {
    atomicMax(&results[2u * p.tracks + group.y], peak);
  }
}
