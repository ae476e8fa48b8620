// Gradient of act = silu(gate) · up, silu(z) = z · σ(z):
//   dGate = dAct · up · σ(gate) · (1 + gate · (1 − σ(gate))), dUp = dAct · silu(gate).
//
//   gate, up [T, WIDTH]; gradient [T, WIDTH] holds dAct on entry and dGate on exit; dup [T, WIDTH].
//
// Grid: x over WIDTH in 64, y over tokens.

struct Params {
  // WIDTH
  width: u32,
  tokens: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> dup: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * 64u + local.x;
  if (column >= p.width || group.y >= p.tokens) {
    return;
  }
  let i = group.y * p.width + column;
  let z = gate[i];
  let d = gradient[i];
  let sigma = 1.0 / (1.0 + exp(-z));
  gradient[i] = d * up[i] * sigma * (1.0 + z * (1.0 - sigma));
  dup[i] = d * z * sigma;
}
