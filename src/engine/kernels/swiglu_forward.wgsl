// SwiGLU (Shazeer 2020): act = silu(gate) · up with silu(z) = z / (1 + exp(−z)).
//
//   gate, up, act [T, WIDTH]
//
// Grid: x over WIDTH in 64, y over tokens.

override WIDTH: u32;

struct Params {
  tokens: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read_write> act: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let i = group.x * 64u + local.x;
  if (i >= WIDTH || group.y >= p.tokens) {
    return;
  }
  let at = group.y * WIDTH + i;
  let z = gate[at];
  act[at] = z / (1.0 + exp(-z)) * up[at];
}
