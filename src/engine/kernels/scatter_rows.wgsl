// Inverse of gather_rows: y[rows[i]] = x[i].
//
//   rows [N], x [N, WIDTH], y [·, WIDTH]. Rows that occur twice must bring equal values.
//
// Grid: x over WIDTH in 64, y over N.

struct Params {
  // WIDTH
  width: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * 64u + local.x;
  if (column < p.width) {
    y[rows[group.y] * p.width + column] = x[group.y * p.width + column];
  }
}
