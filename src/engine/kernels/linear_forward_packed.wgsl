// A projection with packed weights (f16, int8, int4) and its LoRA, for software drivers:
//   y = residual + (bias + (W x + B xa))
//
//   x        [T, IN]
//   w        [OUT, IN] packed; see weights_int4 and its siblings
//   bias     [OUT]       if p.bias is 1
//   xa       [T, RANK]   if LORA: scale · A x, from lora_shrink
//   b        pool        if LORA: adapters; this projection's B [OUT, RANK] starts at slot · p.slotElements + p.offset
//   slot     [T]         if LORA: adapter slot of each token, 0xffffffff = none
//   residual [T, OUT]    if p.residual is 1
//   y        [T, OUT]
//
// Host guarantees: IN and RANK are multiples of 4. Grid: x over OUT in LANES · 4, y over T in 8. Sums run over IN, and apart
// from that over RANK, in ascending order whatever the token's place: to the bit what linear_forward makes of the
// unpacked weights.
//
// Each invocation makes 8 tokens × 4 outputs in registers: unpacking a weight costs about five operations, which eight tokens
// share.

override LANES: u32 = 8;
override LORA: bool = false;

const NO_SLOT = 0xffffffffu;
const TOKENS = 8u;

struct Params {
  tokens: u32,
  slotElements: u32,
  offset: u32,
  // IN / 4, OUT, RANK / 4
  quads: u32,
  outputs: u32,
  rankQuads: u32,
  bias: u32,
  residual: u32,
  stride: u32,
  scales: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4u>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> xa: array<vec4f>;
@group(0) @binding(5) var<storage, read> b: array<vec4f>;
@group(0) @binding(6) var<storage, read> slot: array<u32>;
@group(0) @binding(7) var<storage, read> residual: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

//@weights

/** Adds four terms of four outputs' sums in ascending order; columns of `w` are the outputs' four weights each. */
fn along(x: vec4f, w: mat4x4f, sum: vec4f) -> vec4f {
  return vec4f(
    fma(x.w, w[0].w, fma(x.z, w[0].z, fma(x.y, w[0].y, fma(x.x, w[0].x, sum.x)))),
    fma(x.w, w[1].w, fma(x.z, w[1].z, fma(x.y, w[1].y, fma(x.x, w[1].x, sum.y)))),
    fma(x.w, w[2].w, fma(x.z, w[2].z, fma(x.y, w[2].y, fma(x.x, w[2].x, sum.z)))),
    fma(x.w, w[3].w, fma(x.z, w[3].z, fma(x.y, w[3].y, fma(x.x, w[3].x, sum.w)))),
  );
}

/** B xa of one token for four outputs. */
fn expand(t: u32, s: u32, outputs: vec4u) -> vec4f {
  let rows = (s * p.slotElements + p.offset) / 4u + outputs * p.rankQuads;
  let first = t * p.rankQuads;
  var sum = vec4f();
  for (var r = 0u; r < p.rankQuads; r++) {
    sum = along(xa[first + r], mat4x4f(b[rows.x + r], b[rows.y + r], b[rows.z + r], b[rows.w + r]), sum);
  }
  return sum;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let outputs = group.x * LANES * 4u + local.x + LANES * vec4u(0u, 1u, 2u, 3u);
  // Outputs past the end are computed from the last row of W and not stored.
  let rows = min(outputs, vec4u(p.outputs - 1u));
  let t = group.y * TOKENS;
  let last = p.tokens - 1u;
  var start: array<u32, TOKENS>;
  var sums: array<vec4f, TOKENS>;
  for (var i = 0u; i < TOKENS; i++) {
    start[i] = min(t + i, last) * p.quads;
    sums[i] = vec4f();
  }
  for (var k = 0u; k < p.quads; k++) {
    let tile = mat4x4f(weight4(rows.x, k), weight4(rows.y, k), weight4(rows.z, k), weight4(rows.w, k));
    sums[0] = along(x[start[0] + k], tile, sums[0]);
    sums[1] = along(x[start[1] + k], tile, sums[1]);
    sums[2] = along(x[start[2] + k], tile, sums[2]);
    sums[3] = along(x[start[3] + k], tile, sums[3]);
    sums[4] = along(x[start[4] + k], tile, sums[4]);
    sums[5] = along(x[start[5] + k], tile, sums[5]);
    sums[6] = along(x[start[6] + k], tile, sums[6]);
    sums[7] = along(x[start[7] + k], tile, sums[7]);
  }
  for (var i = 0u; i < min(TOKENS, p.tokens - t); i++) {
    var sum = sums[i];
    if (LORA) {
      let s = slot[t + i];
      if (s != NO_SLOT) {
        sum += expand(t + i, s, rows);
      }
    }
    var o = outputs.x;
    for (var j = 0u; j < 4u && o < p.outputs; j++) {
      var value = select(select(sum.x, sum.y, j == 1u), select(sum.z, sum.w, j == 3u), j >= 2u);
      let at = (t + i) * p.outputs + o;
      if (p.bias == 1u) {
        value = bias[o] + value;
      }
      if (p.residual == 1u) {
        value = residual[at] + value;
      }
      y[at] = value;
      o += LANES;
    }
  }
}
