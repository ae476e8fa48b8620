// Loss of every track (an adapter in training): results[g].x += Σ loss[n] over the track's target tokens.
//
//   tracks [G], loss [targets], results [G] pairs (loss, squared gradient norm)
//
// Grid: x over tracks in 64. One invocation per track, its sum in ascending order.

struct Params {
  tracks: u32,
}

//@track

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tracks: array<Track>;
@group(0) @binding(2) var<storage, read> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.tracks) {
    return;
  }
  let first = tracks[id.x].firstTarget;
  var sum = 0.0;
  for (var n = first; n < first + tracks[id.x].targets; n++) {
    sum += loss[n];
  }
  results[id.x].x += sum;
}
