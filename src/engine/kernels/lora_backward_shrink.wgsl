// Gradient by A·x of a LoRA projection, for software drivers: dXA[T, RANK] = scale_slot · dY[T, OUT] · B_slot[OUT, RANK].
//
// Bindings and host guarantees: see lora_backward_shrink_common; and OUT is a multiple of 4 (lora_backward_shrink_scalar takes
// another). Grid: x over RANK in LANES, y over T/TILE.
// Each sum runs over OUT in ascending order. One lane owns one column of B, so dY loads are the same for all lanes.

override LANES: u32 = 8;

//@lora_backward_shrink_common

@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let r = group.x * LANES + local.x;
  if (r >= p.rank) {
    return;
  }
  let first = group.y * TILE;
  let s = slot[first];
  var at = s * p.slotElements + p.offset + r;
  var sum: array<f32, TILE>;
  for (var o = 0u; o < p.out / 4u; o++) {
    let b0 = b[at];
    let b1 = b[at + p.rank];
    let b2 = b[at + 2u * p.rank];
    let b3 = b[at + 3u * p.rank];
    at += 4u * p.rank;
    for (var m = 0u; m < TILE; m++) {
      let d = dy[(first + m) * (p.out / 4u) + o];
      sum[m] = fma(d.w, b3, fma(d.z, b2, fma(d.y, b1, fma(d.x, b0, sum[m]))));
    }
  }
  for (var m = 0u; m < TILE; m++) {
    dxa[(first + m) * p.rank + r] = scale[s] * sum[m];
  }
}
