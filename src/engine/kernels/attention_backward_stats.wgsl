// What the two attention backward kernels need of each (token, head) beside q, k and v (FlashAttention-2, section 3.1.2):
// stats[t, h] = (lse[t, h], Σ_d dO[t, h, d] · O[t, h, d]).
//
//   out, dout [T, HEADS · HEAD_DIM], lse [T, HEADS] natural logarithm of the softmax's denominator, stats [T, HEADS] pairs
//
// Grid: x over p.rows = T · HEADS in 64, then y (at most 65,535 groups in x).

override HEAD_DIM: u32;

struct Params {
  rows: u32,
  groupsX: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> out: array<vec2f>;
@group(0) @binding(2) var<storage, read> dout: array<vec2f>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = (group.y * p.groupsX + group.x) * 64u + local.x;
  if (row >= p.rows) {
    return;
  }
  var sum = 0.0;
  for (var d = 0u; d < HEAD_DIM / 2u; d++) {
    sum += dot(dout[row * (HEAD_DIM / 2u) + d], out[row * (HEAD_DIM / 2u) + d]);
  }
  stats[row] = vec2f(lse[row], sum);
}
