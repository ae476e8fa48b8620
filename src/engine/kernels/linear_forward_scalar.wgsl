// linear_forward for any IN: y = residual + (bias + (W x + B xa)), one invocation per (token, output), the same order of
// additions.
//
//   x [T, IN], w [OUT, IN], bias [OUT], xa [T, RANK], b pool, slot [T], residual [T, OUT], y [T, OUT]; see linear_common
//
// Grid: x over OUT in 64, y over tokens.

override LORA: bool = false;

const NO_SLOT = 0xffffffffu;

struct Params {
  tokens: u32,
  slotElements: u32,
  offset: u32,
  // IN, OUT, RANK; see linear_common for why they are no constants.
  width: u32,
  outputs: u32,
  rank: u32,
  bias: u32,
  residual: u32,
  step: u32,
  first: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> xa: array<f32>;
@group(0) @binding(5) var<storage, read> b: array<f32>;
@group(0) @binding(6) var<storage, read> slot: array<u32>;
@group(0) @binding(7) var<storage, read> residual: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let o = group.x * 64u + local.x;
  let t = group.y;
  if (o >= p.outputs || t >= p.tokens) {
    return;
  }
  var value = 0.0;
  for (var k = 0u; k < p.width; k++) {
    value = fma(x[t * p.width + k], w[o * p.width + k], value);
  }
  if (LORA) {
    let s = slot[t];
    if (s != NO_SLOT) {
      let base = s * p.slotElements + p.offset + o * p.rank;
      var sum = 0.0;
      for (var r = 0u; r < p.rank; r++) {
        sum = fma(xa[t * p.rank + r], b[base + r], sum);
      }
      value += sum;
    }
  }
  if (p.bias == 1u) {
    value = bias[o] + value;
  }
  if (p.residual == 1u) {
    value = residual[t * p.outputs + o] + value;
  }
  y[t * p.step + p.first + o] = value;
}
