// Second half of the squared gradient norm of every track: results[g].y = Σ_c partials[g, c].
//
//   partials [G, CHUNKS] from sum_of_squares, results [G] pairs (loss, squared gradient norm)
//
// Grid: x over tracks in 64. One invocation per track, its sum in ascending order.

override CHUNKS: u32;

struct Params {
  tracks: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> results: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.tracks) {
    return;
  }
  var sum = 0.0;
  for (var c = 0u; c < CHUNKS; c++) {
    sum += partials[id.x * CHUNKS + c];
  }
  results[id.x].y = sum;
}
