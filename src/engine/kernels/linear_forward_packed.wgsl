// A projection with its bias, LoRA update and residual for packed weights (f16, int8, int4), for software drivers:
//   y = residual + (bias + (W x + B xa)), each term but W x optional.
//
//   w [OUT, IN] packed, see weights_int4 and its siblings; the other bindings: see linear_common
//
// Host guarantees: IN and RANK are multiples of 4. Grid: x over OUT in LANES · 4, y over T in TOKENS. Sums run over IN, and
// apart from that over RANK, in ascending order whatever the token's place: to the bit what linear_forward makes of the
// unpacked weights.
//
// Each invocation makes TOKENS (1, 4 or 8) tokens × 4 outputs in registers: unpacking a weight costs about five operations, which
// eight tokens share; fewer than there are tokens would be wasted. linear_forward does without that arithmetic and its registers.

override LANES: u32 = 8;
override LORA: bool = false;

override TOKENS: u32 = 8;

const MOST = 8u;

//@adapters

//@linear_common

@group(0) @binding(2) var<storage, read> w: array<vec4u>;

//@weights

//@along

//@linear_expand

//@linear_store_serial

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let outputs = group.x * LANES * 4u + local.x + LANES * vec4u(0u, 1u, 2u, 3u);
  // Outputs past the end are computed from the last row of W and not stored.
  let rows = min(outputs, vec4u(p.outputs - 1u));
  let t = group.y * TOKENS;
  let last = p.tokens - 1u;
  var start: array<u32, MOST>;
  var sums: array<vec4f, MOST>;
  for (var i = 0u; i < TOKENS; i++) {
    start[i] = min(t + i, last) * p.quads;
    sums[i] = vec4f();
  }
  for (var k = 0u; k < p.quads; k++) {
    let tile = mat4x4f(weight4(rows.x, k), weight4(rows.y, k), weight4(rows.z, k), weight4(rows.w, k));
    sums[0] = along(x[start[0] + k], tile, sums[0]);
    if (TOKENS == 1u) {
      continue;
    }
    sums[1] = along(x[start[1] + k], tile, sums[1]);
    sums[2] = along(x[start[2] + k], tile, sums[2]);
    sums[3] = along(x[start[3] + k], tile, sums[3]);
    if (TOKENS == 4u) {
      continue;
    }
    sums[4] = along(x[start[4] + k], tile, sums[4]);
    sums[5] = along(x[start[5] + k], tile, sums[5]);
    sums[6] = along(x[start[6] + k], tile, sums[6]);
    sums[7] = along(x[start[7] + k], tile, sums[7]);
  }
  for (var i = 0u; i < min(TOKENS, p.tokens - t); i++) {
    store(t + i, outputs, rows, sums[i]);
  }
}
