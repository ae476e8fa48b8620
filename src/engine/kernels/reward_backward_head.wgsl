// Gradient of −Σ w·reward by the adapters' heads, where reward = head · normed:
//   grad[slot_g · slotElements + head + d] += Σ −w_n · normed[n − first, d] over the targets n of track g in this block.
//
//   tracks [G], targets [..] (unused, bits of the f32 weight w), normed [N, WIDTH] of the targets first..first + count
//   grad pool [slots, slotElements]
//
// Grid: x over WIDTH in 64, y over tracks. Sums in ascending order.

override WIDTH: u32;

struct Params {
  first: u32,
  count: u32,
  slotElements: u32,
  // Where the head stands in a slot
  head: u32,
}

//@track

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tracks: array<Track>;
@group(0) @binding(2) var<storage, read> targets: array<vec2u>;
@group(0) @binding(3) var<storage, read> normed: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let d = group.x * 64u + local.x;
  if (d >= WIDTH) {
    return;
  }
  let entry = tracks[group.y];
  let begin = max(entry.firstTarget, p.first);
  let end = min(entry.firstTarget + entry.targets, p.first + p.count);
  var sum = 0.0;
  for (var n = begin; n < end; n++) {
    sum -= bitcast<f32>(targets[n].y) * normed[(n - p.first) * WIDTH + d];
  }
  let at = entry.slot * p.slotElements + p.head + d;
  grad[at] += sum;
}
