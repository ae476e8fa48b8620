// Second of three kernels that sample from a large vocabulary on a GPU: each slice's part of the denominator, and the weights that
// are drawn from with their sum. A row with top-k gets its weights in sample_tokens_wide.
//
// Bindings: see sampling; parts: see slices. Grid: x over SLICES, y over N.

struct Params {
  // V
  vocabulary: u32,
  // LANES / 2
  half: u32,
  // SLICES, a number rather than a constant, lest compilers unroll the loop
  slices: u32,
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
  let base = group.y * p.vocabulary;
  let stretch = sliceOf(group.x);
  var highest = -3.0e38;
  for (var i = 0u; i < p.slices; i++) {
    highest = max(highest, bitcast<f32>(parts[partOf(group.y, i)].x));
  }
  let denominator = sumOverLanes(lane, denominatorOf(lane, base, stretch, highest));
  var mass = 0.0;
  if (s.temperature > 0.0 && !limited(s)) {
    mass = sumOverLanes(lane, weigh(lane, base, stretch, s, highest, 0u));
  }
  if (lane == 0u) {
    parts[partOf(group.y, group.x) + 1u] = vec4u(bitcast<u32>(denominator), bitcast<u32>(mass), 0u, 0u);
  }
}
