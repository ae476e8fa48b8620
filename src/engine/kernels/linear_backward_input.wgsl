// Gradient by the input of a frozen projection with LoRA: dX[T, IN] (+)= dY · W + dXA · A.
//
//   dy  [T, OUT]   gradient by the projection's output
//   w   [OUT, IN]  frozen weight, row-major as in the file
//   dxa [T, RANK]  scale · dY · B, from lora_backward_shrink
//   a   pool       adapters; this projection's A [RANK, IN] starts at slot · p.slotElements + p.offset
//   slot [T]       adapter slot of each token
//   dx  [T, IN]
//
// Host guarantees: IN, OUT and RANK are multiples of 4 (linear_backward_input_scalar takes the rest), T is a multiple of
// TILE, every tile of TILE tokens has one slot, with LoRA that slot exists. Grid: x over IN/4 in LANES, y over T/TILE.
// Each sum runs over OUT, then over RANK, in ascending order.
//
// The token tile belongs to the workgroup, so dY loads are the same for all its lanes (one broadcast on a CPU driver) and
// the lanes read neighbouring columns of W (coalesced on a GPU).

override LANES: u32 = 8;

const TILE = 8u;

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
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> dxa: array<vec4f>;
@group(0) @binding(4) var<storage, read> a: array<vec4f>;
@group(0) @binding(5) var<storage, read> slot: array<u32>;
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let inQuads = p.in / 4u;
  let outQuads = p.out / 4u;
  let rankQuads = p.rank / 4u;
  let column = group.x * LANES + local.x;
  if (column >= inQuads) {
    return;
  }
  let first = group.y * TILE;
  var sum: array<vec4f, TILE>;
  var row = column;
  for (var o = 0u; o < outQuads; o++) {
    let w0 = w[row];
    let w1 = w[row + inQuads];
    let w2 = w[row + 2u * inQuads];
    let w3 = w[row + 3u * inQuads];
    row += 4u * inQuads;
    for (var m = 0u; m < TILE; m++) {
      let d = dy[(first + m) * outQuads + o];
      sum[m] = fma(vec4f(d.w), w3, fma(vec4f(d.z), w2, fma(vec4f(d.y), w1, fma(vec4f(d.x), w0, sum[m]))));
    }
  }
  if (p.rank > 0u) {
    var base = (slot[first] * p.slotElements + p.offset) / 4u + column;
    for (var r = 0u; r < rankQuads; r++) {
      let a0 = a[base];
      let a1 = a[base + inQuads];
      let a2 = a[base + 2u * inQuads];
      let a3 = a[base + 3u * inQuads];
      base += 4u * inQuads;
      for (var m = 0u; m < TILE; m++) {
        let d = dxa[(first + m) * rankQuads + r];
        sum[m] = fma(vec4f(d.w), a3, fma(vec4f(d.z), a2, fma(vec4f(d.y), a1, fma(vec4f(d.x), a0, sum[m]))));
      }
    }
  }
  for (var m = 0u; m < TILE; m++) {
    let at = (first + m) * inQuads + column;
    if (p.accumulate == 1u) {
      dx[at] += sum[m];
    } else {
      dx[at] = sum[m];
    }
  }
}
