// A projection with its bias, LoRA update and residual for f32 weights, for software drivers:
//   y = residual + (bias + (W x + B xa)), each term but W x optional.
//
//   w [OUT, IN] row-major as in the file; the other bindings: see linear_common
//
// Host guarantees: IN and RANK are multiples of 4 (linear_forward_scalar takes the rest). Grid: x over OUT in LANES · 4,
// y over T in 4. Sums run over IN, and apart from that over RANK, in ascending order whatever the token's place.
//
// Each invocation makes 4 tokens × 4 outputs in registers; a workgroup's lanes share the tokens, so loads of x are the
// same for all of them (one broadcast on a CPU driver). No shared memory: barriers cost a CPU driver more than they save.

override LANES: u32 = 8;
override LORA: bool = false;

//@adapters

//@linear_common

@group(0) @binding(2) var<storage, read> w: array<vec4f>;

//@along

//@linear_expand

//@linear_store_serial

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let outputs = group.x * LANES * 4u + local.x + LANES * vec4u(0u, 1u, 2u, 3u);
  // Outputs past the end are computed from the last row of W and not stored.
  let bounded = min(outputs, vec4u(p.outputs - 1u));
  let t = group.y * 4u;
  let start = min(t + vec4u(0u, 1u, 2u, 3u), vec4u(p.tokens - 1u)) * p.quads;
  let rows = bounded * p.quads;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var k = 0u; k < p.quads; k++) {
    let tile = mat4x4f(w[rows.x + k], w[rows.y + k], w[rows.z + k], w[rows.w + k]);
    sum0 = along(x[start.x + k], tile, sum0);
    sum1 = along(x[start.y + k], tile, sum1);
    sum2 = along(x[start.z + k], tile, sum2);
    sum3 = along(x[start.w + k], tile, sum3);
  }
  // A loop, as in `store`.
  for (var i = 0u; i < min(4u, p.tokens - t); i++) {
    store(t + i, outputs, bounded, select(select(sum0, sum1, i == 1u), select(sum2, sum3, i == 3u), i >= 2u));
  }
}
