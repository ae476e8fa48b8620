// Adds up partial results: out[i] = parts[0, i] + parts[1, i] + …, in ascending order.
//
//   parts [SPLITS, N], out [N]; N = 4 · p.quads
//
// Grid: x over quads in 64, then y (at most 65,535 groups in x).

struct Params {
  quads: u32,
  splits: u32,
  groupsX: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * p.groupsX + group.x) * 64u + lane;
  if (i >= p.quads) {
    return;
  }
  var sum = parts[i];
  for (var s = 1u; s < p.splits; s++) {
    sum += parts[s * p.quads + i];
  }
  out[i] = sum;
}
