// Copies the first tokens of rows of one layer's cache to the beginnings of other rows.
//
//   copies [N]  (source row, target row, tokens, unused); no tokens = nothing to do
//   k, v   [rows · maxLength, WIDTH] words of whatever format
//
// Host guarantees: a row that is a target is neither a source nor another entry's target. Grid: x over STEP groups of 64
// invocations that go through an entry together, y over N. (Buffers cannot be copied onto themselves by command.)

override WIDTH: u32;
override STEP: u32;

struct Params {
  maxLength: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> copies: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> k: array<u32>;
@group(0) @binding(3) var<storage, read_write> v: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let copy = copies[group.y];
  let source = copy.x * p.maxLength * WIDTH;
  let destination = copy.y * p.maxLength * WIDTH;
  for (var i = group.x * 64u + local.x; i < copy.z * WIDTH; i += STEP * 64u) {
    k[destination + i] = k[source + i];
    v[destination + i] = v[source + i];
  }
}
