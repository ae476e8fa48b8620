// Gradient of −Σ w·reward by the normed hidden states, where reward = head · normed and each adapter has a head of its own:
//   dNormed[n, d] = −w_n · pool[slot_n · slotElements + head + d].
//
//   positions [N] token of each target in this block, slots [tokens] its adapter's slot,
//   targets [..] (unused, bits of the f32 weight w); the block's first is p.first
//   pool [slots, slotElements], dNormed [N, WIDTH]
//
// Grid: x over WIDTH in 64, y over the N targets of the block.

override WIDTH: u32;

struct Params {
  first: u32,
  slotElements: u32,
  // Where the head stands in a slot
  head: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> slots: array<u32>;
@group(0) @binding(3) var<storage, read> targets: array<vec2u>;
@group(0) @binding(4) var<storage, read> pool: array<f32>;
@group(0) @binding(5) var<storage, read_write> dNormed: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let d = group.x * 64u + local.x;
  if (d >= WIDTH) {
    return;
  }
  let n = group.y;
  let weight = bitcast<f32>(targets[p.first + n].y);
  let slot = slots[positions[n]];
  dNormed[n * WIDTH + d] = -weight * pool[slot * p.slotElements + p.head + d];
}
