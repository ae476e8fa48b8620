// Puts every token's vector at its place among its row's: cache[rowBase[row] + pos] = x[t].
//
//   x [T, WIDTH], row [T], pos [T], rowBase [rows], cache [·, WIDTH]
//
// Grid: x over WIDTH in 64, y over tokens.

override WIDTH: u32;

struct Params {
  tokens: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> row: array<u32>;
@group(0) @binding(3) var<storage, read> pos: array<u32>;
@group(0) @binding(4) var<storage, read> rowBase: array<u32>;
@group(0) @binding(5) var<storage, read_write> cache: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let i = group.x * 64u + local.x;
  let t = group.y;
  if (i >= WIDTH || t >= p.tokens) {
    return;
  }
  cache[(rowBase[row[t]] + pos[t]) * WIDTH + i] = x[t * WIDTH + i];
}
