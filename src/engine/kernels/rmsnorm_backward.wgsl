// Gradient by the input of y = gain · x / sqrt(mean(x²) + eps) with a frozen gain:
//   dX (+)= r · (g − x · r² · mean(g · x)),  g = gain · dY,  r = 1 / sqrt(mean(x²) + eps).
//
//   dy, dx [ROWS, WIDTH]; x and gain: see rmsnorm_common
//
// Grid: x over p.rows in 64, then y (at most 65,535 groups in x). One invocation per row, sums in ascending order.

//@rmsnorm_common

@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = (group.y * p.groupsX + group.x) * 64u + local.x;
  if (row >= p.rows) {
    return;
  }
  let base = row * p.width;
  var squares = 0.0;
  var product = 0.0;
  for (var i = 0u; i < p.width; i++) {
    let value = x[base + i];
    squares = fma(value, value, squares);
    product = fma(gain[i] * dy[base + i], value, product);
  }
  let r = reciprocalNorm(squares);
  let back = r * r * (product / f32(p.width));
  for (var i = 0u; i < p.width; i++) {
    let gradient = r * (gain[i] * dy[base + i] - x[base + i] * back);
    if (p.accumulate == 1u) {
      dx[base + i] += gradient;
    } else {
      dx[base + i] = gradient;
    }
  }
}
