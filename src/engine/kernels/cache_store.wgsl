// Puts every token's vector at its place among its row's: cache[rowBase[row] + pos] = x[t], in the cache's format.
//
//   x [T, PAIRS, 2], row [T], pos [T], rowBase [rows], cache [·, PAIRS]
//   saturated     + numbers too large for the format, but for those of the last row
//
// Grid: x over PAIRS in 64, y over tokens.

override PAIRS: u32;

struct Params {
  tokens: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec2f>;
@group(0) @binding(2) var<storage, read> row: array<u32>;
@group(0) @binding(3) var<storage, read> pos: array<u32>;
@group(0) @binding(4) var<storage, read> rowBase: array<u32>;
@group(0) @binding(5) var<storage, read_write> cache: array<StoredPair>;
@group(0) @binding(6) var<storage, read_write> saturated: atomic<u32>;

//@cache

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let i = group.x * 64u + local.x;
  let t = group.y;
  if (i >= PAIRS || t >= p.tokens) {
    return;
  }
  let values = x[t * PAIRS + i];
  // The last row takes padding, which nobody reads.
  let cut = cutOff(values);
  if (cut > 0u && row[t] + 1u < arrayLength(&rowBase)) {
    atomicAdd(&saturated, cut);
  }
  cache[(rowBase[row[t]] + pos[t]) * PAIRS + i] = storedPair(values);
}
