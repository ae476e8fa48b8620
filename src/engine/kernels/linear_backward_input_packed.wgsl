// Gradient by the input of a frozen projection with packed weights (f16, int8, int4), for software drivers:
//   dX[T, IN] (+)= dY · W + dXA · A
//
//   dy  [T, OUT]   gradient by the projection's output
//   w   [OUT, IN]  packed; see weights_int4 and its siblings
//   dxa [T, RANK]  scale · dY · B, from lora_backward_shrink
//   a   pool       adapters; this projection's A [RANK, IN] starts at slot · p.slotElements + p.offset
//   slot [T]       adapter slot of each token
//   dx  [T, IN]
//
// Host guarantees: IN and RANK are multiples of 4 (OUT need not be), T of 4, every 4 tokens have one slot, with LoRA that slot exists.
// Grid: x over IN/4 in LANES, y over T in 8. Each sum runs over OUT, then over RANK, in ascending order: to the bit what
// linear_backward_input makes of the unpacked weights.

override LANES: u32 = 8;

const TOKENS = 8u;
/** Tokens that are sure to share a slot. */
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
  tokens: u32,
  stride: u32,
  scales: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<vec4u>;
@group(0) @binding(3) var<storage, read> dxa: array<vec4f>;
@group(0) @binding(4) var<storage, read> a: array<vec4f>;
@group(0) @binding(5) var<storage, read> slot: array<u32>;
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;

//@weights

/** Adds four terms of four columns' sums in ascending order; `w` holds the four rows of the columns. */
fn along(d: vec4f, w: mat4x4f, sum: vec4f) -> vec4f {
  return fma(vec4f(d.w), w[3], fma(vec4f(d.z), w[2], fma(vec4f(d.y), w[1], fma(vec4f(d.x), w[0], sum))));
}

fn four(at: u32) -> vec4f {
  return vec4f(dy[at], dy[at + 1u], dy[at + 2u], dy[at + 3u]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let inQuads = p.in / 4u;
  let rankQuads = p.rank / 4u;
  let column = group.x * LANES + local.x;
  if (column >= inQuads) {
    return;
  }
  let first = group.y * TOKENS;
  var token: array<u32, TOKENS>;
  var sums: array<vec4f, TOKENS>;
  for (var i = 0u; i < TOKENS; i++) {
    // Tokens past the end are computed as the last and not stored.
    token[i] = min(first + i, p.tokens - 1u) * p.out;
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
      var row = (slot[t - t % TILE] * p.slotElements + p.offset) / 4u + column;
      for (var r = 0u; r < rankQuads; r++) {
        let rows = mat4x4f(a[row], a[row + inQuads], a[row + 2u * inQuads], a[row + 3u * inQuads]);
        row += 4u * inQuads;
        sum = along(dxa[t * rankQuads + r], rows, sum);
      }
    }
    let at = t * inQuads + column;
    if (p.accumulate == 1u) {
      sum += dx[at];
    }
    dx[at] = sum;
  }
}
