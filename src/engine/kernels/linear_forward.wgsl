// A projection with its bias, LoRA update and residual: y = residual + (bias + (W x + B xa)), each term but W x optional.
//
//   x        [T, IN]
//   w        [OUT, IN]   row-major as in the file
//   bias     [OUT]       if p.bias is 1
//   xa       [T, RANK]   scale · A x from lora_shrink, with LORA
//   b        pool        adapters; this projection's B [OUT, RANK] starts at slot · p.slotElements + p.offset
//   slot     [T]         adapter slot of each token, 0xffffffff = none
//   residual [T, OUT]    if p.residual is 1
//   y        [T, OUT]
//
// Host guarantees: IN and RANK are multiples of 4 (linear_forward_scalar takes the rest). Grid: x over OUT in LANES · 4,
// y over T in 4. Sums run over IN, and apart from that over RANK, in ascending order whatever the token's place.
//
// Each invocation makes 4 tokens × 4 outputs in registers; a workgroup's lanes share the tokens, so loads of x are the
// same for all of them (one broadcast on a CPU driver). No shared memory: barriers cost a CPU driver more than they save.

override LANES: u32 = 8;
override LORA: bool = false;

const NO_SLOT = 0xffffffffu;

// Sizes are known only when the kernel runs, so that one pipeline serves all projections and no driver unrolls the loops:
// CPU drivers took seconds to compile each.
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
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> xa: array<vec4f>;
@group(0) @binding(5) var<storage, read> b: array<vec4f>;
@group(0) @binding(6) var<storage, read> slot: array<u32>;
@group(0) @binding(7) var<storage, read> residual: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

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
  // Loops, since every place in the code that loads or stores costs a CPU driver's compiler dearly.
  for (var i = 0u; i < min(4u, p.tokens - t); i++) {
    var sum = select(select(sum0, sum1, i == 1u), select(sum2, sum3, i == 3u), i >= 2u);
    if (LORA) {
      let s = slot[t + i];
      if (s != NO_SLOT) {
        sum += expand(t + i, s, bounded);
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
