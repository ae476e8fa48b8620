// First of three kernels that sample from a large vocabulary on a GPU: the largest logits of each slice of a line. sample_weigh and
// sample_tokens_wide come after it.
//
// Bindings: see sampling; parts: see slices. Grid: x over SLICES, y over N.

struct Params {
  // V
  vocabulary: u32,
  // LANES / 2
  half: u32,
}

@group(0) @binding(0) var<uniform> p: Params;

//@sampling

//@line

//@slices

@group(0) @binding(7) var<storage, read_write> parts: array<vec4u>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = settings[rows[group.y]];
  if (s.parts == 0u) {
    return;
  }
  let found = largestOf(lane, group.y * p.vocabulary, sliceOf(group.x));
  if (lane == 0u) {
    parts[partOf(group.y, group.x)] = vec4u(bitcast<u32>(found.first), bitcast<u32>(found.second), found.index, 0u);
  }
}
