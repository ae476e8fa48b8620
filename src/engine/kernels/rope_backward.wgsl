// Gradient by the input of a rotary position embedding (rotate_half as in transformers), in place. RoPE turns the pair
// (x_i, x_{i+Dh/2}) by the angle pos · inv_freq_i; its gradient turns back by the same angle.
//
//   gradient [T, HEADS · HEAD_DIM], pos [T], turns [positions, HEAD_DIM / 2] pairs (cos, sin)
//
// Grid: x over HEADS · HEAD_DIM / 2 in 64, y over tokens.

override HEADS: u32;
override HEAD_DIM: u32;

const HALF = HEAD_DIM / 2u;

struct Params {
  tokens: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> pos: array<u32>;
@group(0) @binding(2) var<storage, read> turns: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let pair = group.x * 64u + local.x;
  if (pair >= HEADS * HALF || group.y >= p.tokens) {
    return;
  }
  let i = pair % HALF;
  let at = (group.y * HEADS + pair / HALF) * HEAD_DIM + i;
  let turn = turns[pos[group.y] * HALF + i];
  let low = gradient[at];
  let high = gradient[at + HALF];
  gradient[at] = fma(turn.x, low, turn.y * high);
  gradient[at + HALF] = fma(turn.x, high, -(turn.y * low));
}
