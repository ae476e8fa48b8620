// lora_shrink for any IN: xa[t] = scale · A x[t], one invocation per (token, rank), the same order of additions.
//
//   x [T, IN], a pool, slot [T], scale [slots], xa [T, RANK]; see lora_shrink_common
//
// Grid: x over RANK in 64, y over tokens.

const NO_SLOT = 0xffffffffu;

struct Params {
  tokens: u32,
  slotElements: u32,
  offset: u32,
  // IN, RANK; see linear_common for why they are no constants.
  width: u32,
  rank: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> slot: array<u32>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;
@group(0) @binding(5) var<storage, read_write> xa: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let rank = group.x * 64u + local.x;
  let t = group.y;
  if (rank >= p.rank || t >= p.tokens) {
    return;
  }
  let s = slot[t];
  if (s == NO_SLOT) {
    xa[t * p.rank + rank] = 0.0;
    return;
  }
  let base = s * p.slotElements + p.offset + rank * p.width;
  var sum = 0.0;
  for (var k = 0u; k < p.width; k++) {
    sum = fma(x[t * p.width + k], a[base + k], sum);
  }
  xa[t * p.rank + rank] = sum * scale[s];
}
