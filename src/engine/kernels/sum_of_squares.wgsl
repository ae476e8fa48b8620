// First half of the squared gradient norm of every track: partials[g, c] = Σ grad² over every CHUNKS-th vec4 from c on.
//
//   tracks [G], grad pool with p.slotElements per slot (a multiple of 4), partials [G, CHUNKS]
//
// Grid: x over CHUNKS in 64, y over tracks. Sums in ascending order.

override CHUNKS: u32;

struct Params {
  slotElements: u32,
}

//@track

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tracks: array<Track>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let chunk = group.x * 64u + local.x;
  if (chunk >= CHUNKS) {
    return;
  }
  let count = p.slotElements / 4u;
  let base = tracks[group.y].slot * count;
  var sum = 0.0;
  for (var i = chunk; i < count; i += CHUNKS) {
    let value = grad[base + i];
    sum += dot(value, value);
  }
  partials[group.y * CHUNKS + chunk] = sum;
}
