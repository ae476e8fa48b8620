// Gradient by the input of a frozen projection with packed weights (f16, int8, int4), for software drivers:
//   dX[T, IN] (+)= dY · W + dXA · A
//
//   dy [T, OUT] gradient by the projection's output; w [OUT, IN] packed, see weights_int4 and its siblings; the other
//   bindings: see linear_backward_common
//
// Host guarantees: IN and RANK are multiples of 4 (OUT and T need not be). Grid: x over IN/4 in LANES, y over T in 8.
// Each sum runs over OUT, then over RANK, in ascending order: to the bit what linear_backward_input makes of the unpacked
// weights.

override LANES: u32 = 8;

const TOKENS = 8u;

//@linear_backward_common

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<vec4u>;

//@weights

fn four(at: u32) -> vec4f {
  return vec4f(dy[at], dy[at + 1u], dy[at + 2u], dy[at + 3u]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let inQuads = p.in / 4u;
  let column = group.x * LANES + local.x;
  if (column >= inQuads) {
    return;
  }
  let first = group.y * TOKENS;
  var token: array<u32, TOKENS>;
  var sums: array<vec4f, TOKENS>;
  for (var i = 0u; i < TOKENS; i++) {
    // Tokens past the end are computed as the last and not stored.
    token[i] = min(first + i, p.tokens - 1u) * p.step + p.first;
    sums[i] = vec4f();
  }
  let whole = p.out - p.out % 4u;
  for (var o = 0u; o < whole; o += 4u) {
    let rows = mat4x4f(weight4(o, column), weight4(o + 1u, column), weight4(o + 2u, column), weight4(o + 3u, column));
    sums[0] = along(four(token[0] + o), rows, sums[0]);
    sums[1] = along(four(token[1] + o), rows, sums[1]);
    sums[2] = along(four(token[2] + o), rows, sums[2]);
    sums[3] = along(four(token[3] + o), rows, sums[3]);
    sums[4] = along(four(token[4] + o), rows, sums[4]);
    sums[5] = along(four(token[5] + o), rows, sums[5]);
    sums[6] = along(four(token[6] + o), rows, sums[6]);
    sums[7] = along(four(token[7] + o), rows, sums[7]);
  }
  for (var o = whole; o < p.out; o++) {
    let row = weight4(o, column);
    for (var i = 0u; i < TOKENS; i++) {
      sums[i] = fma(vec4f(dy[token[i] + o]), row, sums[i]);
    }
  }
  for (var i = 0u; i < min(TOKENS, p.tokens - first); i++) {
    let t = first + i;
    var sum = sums[i];
    if (p.rank > 0u) {
      sum = addLora(t, column, sum);
    }
    let at = t * inQuads + column;
    if (p.accumulate == 1u) {
      sum += dx[at];
    }
    dx[at] = sum;
  }
}
