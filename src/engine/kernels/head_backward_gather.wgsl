// Rows of the last layer's output whose next token is trained on: gathered[n] = hidden[positions[p.first + n]].
//
//   hidden [T, WIDTH], positions [..] flat token indices, gathered [N, WIDTH]
//
// Grid: x over WIDTH in 64, y over the N tokens of the block.

struct Params {
  // WIDTH
  width: u32,
  first: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> hidden: array<f32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read_write> gathered: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * 64u + local.x;
  if (column < p.width) {
    gathered[group.y * p.width + column] = hidden[positions[p.first + group.y] * p.width + column];
  }
}
