// Rows of a matrix by index: y[i] = x[rows[i]], for example the hidden states of the tokens whose logits are wanted.
//
//   rows [N], x [·, WIDTH], y [N, WIDTH]
//
// Grid: x over WIDTH in 64, y over N.

override WIDTH: u32;

struct Params {
  count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let i = group.x * 64u + local.x;
  if (i >= WIDTH || group.y >= p.count) {
    return;
  }
  y[group.y * WIDTH + i] = x[rows[group.y] * WIDTH + i];
}
