// Gradient by the input of a frozen projection of f32 weights with LoRA, for software drivers:
//   dX[T, IN] (+)= dY · W + dXA · A
//
//   dy [T, OUT] gradient by the projection's output; w [OUT, IN] row-major as in the file; the other bindings: see
//   linear_backward_common
//
// Host guarantees: IN, OUT and RANK are multiples of 4 (linear_backward_input_scalar takes the rest), T is a multiple of
// TILE, with LoRA every tile of TILE tokens has one slot, which exists. Grid: x over IN/4 in LANES, y over T/TILE.
// Each sum runs over OUT, then over RANK, in ascending order.
//
// The token tile belongs to the workgroup, so dY loads are the same for all its lanes (one broadcast on a CPU driver) and
// the lanes read neighbouring columns of W. Rows of A are read once for the tile, so `addLora` is not used.

override LANES: u32 = 8;

const TILE = 4u;

//@linear_backward_common

@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;

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
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var row = column;
  let step = p.step / 4u;
  var token = first * step + p.first / 4u;
  for (var o = 0u; o < outQuads; o++) {
    let rows = mat4x4f(w[row], w[row + inQuads], w[row + 2u * inQuads], w[row + 3u * inQuads]);
    row += 4u * inQuads;
    sum0 = along(dy[token], rows, sum0);
    sum1 = along(dy[token + step], rows, sum1);
    sum2 = along(dy[token + 2u * step], rows, sum2);
    sum3 = along(dy[token + 3u * step], rows, sum3);
    token++;
  }
  if (p.rank > 0u) {
    row = (slot[first] * p.slotElements + p.offset) / 4u + column;
    token = first * rankQuads;
    for (var r = 0u; r < rankQuads; r++) {
      let rows = mat4x4f(a[row], a[row + inQuads], a[row + 2u * inQuads], a[row + 3u * inQuads]);
      row += 4u * inQuads;
      sum0 = along(dxa[token], rows, sum0);
      sum1 = along(dxa[token + rankQuads], rows, sum1);
      sum2 = along(dxa[token + 2u * rankQuads], rows, sum2);
      sum3 = along(dxa[token + 3u * rankQuads], rows, sum3);
      token++;
    }
  }
  // A loop, since every place in the code that loads or stores costs a CPU driver's compiler dearly.
  var at = first * inQuads + column;
  for (var m = 0u; m < TILE; m++) {
    var sum = select(select(sum0, sum1, m == 1u), select(sum2, sum3, m == 3u), m >= 2u);
    if (p.accumulate == 1u) {
      sum += dx[at];
    }
    dx[at] = sum;
    at += inQuads;
  }
}
