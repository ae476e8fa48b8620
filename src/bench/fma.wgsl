// What a device multiplies and adds in a second, from registers: eight independent chains of vec4f an invocation, so that the
// latency of one is hidden by the others. 64 operations a loop and invocation (8 chains × 4 lanes × 2).
//
// The factor is below 1 and comes from a buffer, so that nothing overflows, becomes subnormal or is known beforehand.
// Grid: x over workgroups of 64.

struct Params {
  loops: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> factor: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let m = factor[0];
  let b = factor[1];
  let start = vec4f(f32(id.x & 7u));
  var c0 = start;
  var c1 = start + 1.0;
  var c2 = start + 2.0;
  var c3 = start + 3.0;
  var c4 = start + 4.0;
  var c5 = start + 5.0;
  var c6 = start + 6.0;
  var c7 = start + 7.0;
  for (var i = 0u; i < p.loops; i++) {
    c0 = fma(c0, m, b);
    c1 = fma(c1, m, b);
    c2 = fma(c2, m, b);
    c3 = fma(c3, m, b);
    c4 = fma(c4, m, b);
    c5 = fma(c5, m, b);
    c6 = fma(c6, m, b);
    c7 = fma(c7, m, b);
  }
  y[id.x] = (c0 + c1) + (c2 + c3) + ((c4 + c5) + (c6 + c7));
}
