// linear_backward_input for widths that are not multiples of 4: dX[T, IN] (+)= dY · W + dXA · A.
//
// Shapes, bindings and guarantees as there, except that IN and OUT are free (RANK is still a multiple of 4).
// Grid: x over IN in LANES, y over T/TILE. Each sum runs over OUT, then over RANK, in ascending order.

override LANES: u32 = 8;

const TILE = 4u;

struct Params {
  // IN
  in: u32,
  // OUT
  out: u32,
  // RANK, 0 for a projection without LoRA (then dxa, a and slot are not read)
  rank: u32,
  slotElements: u32,
  offset: u32,
  // 1: add to dx
  accumulate: u32,
  step: u32,
  first: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> dxa: array<f32>;
@group(0) @binding(4) var<storage, read> a: array<f32>;
@group(0) @binding(5) var<storage, read> slot: array<u32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * LANES + local.x;
  if (column >= p.in) {
    return;
  }
  let first = group.y * TILE;
  var sum: array<f32, TILE>;
  for (var o = 0u; o < p.out; o++) {
    let weight = w[o * p.in + column];
    for (var m = 0u; m < TILE; m++) {
      sum[m] = fma(dy[(first + m) * p.step + p.first + o], weight, sum[m]);
    }
  }
  if (p.rank > 0u) {
    let base = slot[first] * p.slotElements + p.offset + column;
    for (var r = 0u; r < p.rank; r++) {
      let weight = a[base + r * p.in];
      for (var m = 0u; m < TILE; m++) {
        sum[m] = fma(dxa[(first + m) * p.rank + r], weight, sum[m]);
      }
    }
  }
  for (var m = 0u; m < TILE; m++) {
    let at = (first + m) * p.in + column;
    if (p.accumulate == 1u) {
      dx[at] += sum[m];
    } else {
      dx[at] = sum[m];
    }
  }
}
