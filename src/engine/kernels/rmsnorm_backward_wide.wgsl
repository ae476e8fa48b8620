// Gradient by the input of y = gain · x / sqrt(mean(x²) + eps) with a frozen gain, several invocations a row:
//   dX (+)= r · (g − x · r² · mean(g · x)),  g = gain · dY,  r = 1 / sqrt(mean(x²) + eps).
//
//   dy, dx [ROWS, WIDTH]; x and gain: see rmsnorm_common
//
// LANES (a power of two) invocations share a row, a workgroup has LINES rows. Each lane adds what elements lane,
// lane + LANES, … give in ascending order; the lanes' sums are added as a tree of fixed shape.
// Grid: x over p.rows in LINES, then y (at most 65,535 groups in x).

override LANES: u32;
override LINES: u32;

//@rmsnorm_common

@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

// Σ x², Σ g · x
var<workgroup> partial: array<vec2f, LANES * LINES>;

@compute @workgroup_size(LANES, LINES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let row = (group.y * p.groupsX + group.x) * LINES + local.y;
  // Lines past the end repeat the last row and store nothing: barriers need every lane.
  let base = min(row, p.rows - 1u) * p.width;
  var sums = vec2f();
  for (var i = local.x; i < p.width; i += LANES) {
    let value = x[base + i];
    sums = fma(vec2f(value, gain[i] * dy[base + i]), vec2f(value), sums);
  }
  partial[index] = sums;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (local.x < half) {
      partial[index] += partial[index + half];
    }
    workgroupBarrier();
  }
  let mean = partial[local.y * LANES] / f32(p.width);
  if (row >= p.rows) {
    return;
  }
  let r = 1.0 / sqrt(mean.x + p.eps);
  let back = r * r * mean.y;
  for (var i = local.x; i < p.width; i += LANES) {
    let gradient = r * (gain[i] * dy[base + i] - x[base + i] * back);
    if (p.accumulate == 1u) {
      dx[base + i] += gradient;
    } else {
      dx[base + i] = gradient;
    }
  }
}
