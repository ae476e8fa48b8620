// The largest magnitude among the finite weights of one adapter, for adapter_halves.
//
//   weights pool; the adapter is p.quads vectors from p.first on
//   peak    bits of the magnitude, which order as it does; 0 before
//
// Grid: x, as many as one likes; an invocation takes every so many-th vector.

const LANES = 64u;

struct Params {
  quads: u32,
  first: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> peak: atomic<u32>;

//@finite

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  var largest = vec4u();
  for (var i = id.x; i < p.quads; i += LANES * groups.x) {
    let bits = bitcast<vec4u>(weights[p.first + i]) & vec4u(0x7fffffffu);
    largest = max(largest, select(bits, vec4u(), bits >= vec4u(EXPONENT)));
  }
  atomicMax(&peak, max(max(largest.x, largest.y), max(largest.z, largest.w)));
}
