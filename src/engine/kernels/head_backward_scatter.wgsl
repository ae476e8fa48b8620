// Inverse of head_backward_gather for gradients: dHidden[positions[p.first + n]] = gathered[n] for the first p.count rows.
//
//   gathered [N, WIDTH], positions [..] flat token indices, no two equal, dHidden [T, WIDTH] (zeroed by the host)
//
// Grid: x over WIDTH in 64, y over the N tokens of the block.

struct Params {
  // WIDTH
  width: u32,
  first: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gathered: array<f32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read_write> dHidden: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * 64u + local.x;
  if (column < p.width) {
    dHidden[positions[p.first + group.y] * p.width + column] = gathered[group.y * p.width + column];
  }
}
