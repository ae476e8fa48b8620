// lora_backward_shrink for an OUT that is not a multiple of 4: dXA[T, RANK] = scale_slot · dY[T, OUT] · B_slot[OUT, RANK].
//
// Bindings and host guarantees: see lora_backward_shrink_common; grid as there. Each sum runs over OUT in ascending order.

override LANES: u32 = 8;

//@lora_backward_shrink_common

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let r = group.x * LANES + local.x;
  if (r >= p.rank) {
    return;
  }
  let first = group.y * TILE;
  let s = slot[first];
  let base = s * p.slotElements + p.offset + r;
  var sum: array<f32, TILE>;
  for (var o = 0u; o < p.out; o++) {
    let weight = b[base + o * p.rank];
    for (var m = 0u; m < TILE; m++) {
      sum[m] = fma(dy[(first + m) * p.out + o], weight, sum[m]);
    }
  }
  for (var m = 0u; m < TILE; m++) {
    dxa[(first + m) * p.rank + r] = scale[s] * sum[m];
  }
}
