// RMSNorm (Zhang & Sennrich 2019) with several invocations a row, for devices with thousands of them:
//   y = gain · x / sqrt(mean(x²) + eps).
//
//   y [ROWS, WIDTH]; x and gain: see rmsnorm_common
//
// LANES (a power of two) invocations share a row, a workgroup has LINES rows. Each lane adds the squares of elements
// lane, lane + LANES, … in ascending order; the lanes' sums are added as a tree of fixed shape.
// Grid: x over p.rows in LINES, then y (at most 65,535 groups in x).
// A row costs 12 bytes an element in coalesced reads and writes (x twice, the second time from L1) and log2(LANES) + 1
// barriers; decoding one token of width 2048 takes 16 loads in sequence instead of 2048.

override LANES: u32;
override LINES: u32;

//@rmsnorm_common

@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<f32, LANES * LINES>;

@compute @workgroup_size(LANES, LINES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let row = (group.y * p.groupsX + group.x) * LINES + local.y;
  // Lines past the end repeat the last row and store nothing: barriers need every lane.
  let base = min(row, p.rows - 1u) * p.width;
  var squares = 0.0;
  for (var i = local.x; i < p.width; i += LANES) {
    let value = x[base + i];
    squares = fma(value, value, squares);
  }
  partial[index] = squares;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (local.x < half) {
      partial[index] += partial[index + half];
    }
    workgroupBarrier();
  }
  let r = reciprocalNorm(partial[local.y * LANES]);
  if (row >= p.rows) {
    return;
  }
  for (var i = local.x; i < p.width; i += LANES) {
    y[base + i] = gain[i] * (x[base + i] * r);
  }
}
