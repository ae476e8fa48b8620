// RMSNorm (Zhang & Sennrich 2019): y = gain · x / sqrt(mean(x²) + eps).
//
//   y [ROWS, WIDTH]; x and gain: see rmsnorm_common
//
// Grid: x over p.rows in LANES, then y (at most 65,535 groups in x). One invocation per row, sums in ascending order.

override LANES: u32 = 64;

//@rmsnorm_common

@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = (group.y * p.groupsX + group.x) * LANES + local.x;
  if (row >= p.rows) {
    return;
  }
  let base = row * p.width;
  var squares = 0.0;
  for (var i = 0u; i < p.width; i++) {
    let value = x[base + i];
    squares = fma(value, value, squares);
  }
  let r = reciprocalNorm(squares);
  for (var i = 0u; i < p.width; i++) {
    y[base + i] = gain[i] * (x[base + i] * r);
  }
}
