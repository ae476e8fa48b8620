// Token embedding: x[t] = table[ids[t]].
//
//   ids [T], table [p.rows, D] from id p.first on, x [T, D]
//
// Host guarantees: ids < V. Grid: x over D in 64, y over tokens.

override D: u32;

struct Params {
  tokens: u32,
  // Rows of the whole table that `table` has: those before and after are left to others
  first: u32,
  rows: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let i = group.x * 64u + local.x;
  let t = group.y;
  if (i >= D || t >= p.tokens) {
    return;
  }
  let row = ids[t] - p.first;
  if (row < p.rows) {
    x[t * D + i] = table[row * D + i];
  }
}
