// lora_backward_shrink for an OUT that is not a multiple of 4: dXA[T, RANK] = scale_slot · dY[T, OUT] · B_slot[OUT, RANK].
//
// Shapes, bindings, grid and guarantees as there. Each sum runs over OUT in ascending order.

override LANES: u32 = 8;

const TILE = 4u;

struct Params {
  // OUT
  out: u32,
  // RANK
  rank: u32,
  slotElements: u32,
  offset: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read> slot: array<u32>;
@group(0) @binding(5) var<storage, read_write> dxa: array<f32>;

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
