// lora_backward_weights for a WIDE that is not a multiple of 4 (what is added and the bindings: see
// lora_backward_weights_common).
//
// Grid: x over WIDE in LANES, y over RANK, z over tracks. Each sum runs over the track's tokens in ascending order.

override LANES: u32 = 8;

//@track

//@lora_backward_weights_common

@group(0) @binding(1) var<storage, read> wide: array<f32>;
@group(0) @binding(2) var<storage, read> narrow: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * LANES + local.x;
  if (column >= p.wide) {
    return;
  }
  let slot = tracks[group.z].slot;
  let first = tracks[group.z].first;
  let end = first + tracks[group.z].count;
  let base = slot * p.slotElements + p.offset;
  var sum = 0.0;
  for (var t = first; t < end; t++) {
    sum = fma(wide[t * p.wide + column], narrow[t * p.rank + group.y], sum);
  }
  if (EXPAND) {
    grad[base + column * p.rank + group.y] += sum;
  } else {
    grad[base + group.y * p.wide + column] += sum;
  }
}
