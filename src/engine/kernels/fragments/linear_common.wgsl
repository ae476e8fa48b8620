// What the projections y = residual + (bias + (W x + B xa)) have in common, each term but W x optional: takes the place of the
// line `//@linear_common`, beside `//@adapters`. The kernel declares binding 2, `w` [OUT, IN], in the form in which it reads weights.
//
//   x        [T, IN]
//   bias     [OUT]       if p.bias is 1
//   xa       [T, RANK]   with LoRA: scale · A x, from lora_shrink
//   b        pool        with LoRA: adapters; this projection's B [OUT, RANK] starts at slot · p.slotElements + p.offset
//   slot     [T]         with LoRA: adapter slot of each token, 0xffffffff = none
//   residual [T, OUT]    if p.residual is 1
//   y        [T, p.step], outputs from p.first on; as residual [T, OUT] where there is one
//
// IN and RANK are multiples of 4.

const NO_SLOT = 0xffffffffu;

// Sizes are known only when the kernel runs, so that one pipeline serves all projections and no driver unrolls the loops:
// CPU drivers took seconds to compile each.
struct Params {
  tokens: u32,
  slotElements: u32,
  offset: u32,
  // IN / 4, OUT, RANK / 4 (0 without LoRA: then xa, b and slot are not read)
  quads: u32,
  outputs: u32,
  rankQuads: u32,
  bias: u32,
  residual: u32,
  // Numbers from one token's y to the next's, and the place of output 0 among them: W may be some rows of a taller matrix
  step: u32,
  first: u32,
  // For `//@weights`
  stride: u32,
  scales: u32,
  // On GPUs: runs in which a row of W is added up; see linear_forward_tiled
  parts: u32,
  // On GPUs, for a stack of up to three projections with the same x (2, 1 or 0 of them: never, 0xffffffff):
  // quads of a token's xa, which has RANK numbers for each; first outputs and places of B of the second and third
  xaQuads: u32,
  first1: u32,
  first2: u32,
  offset1: u32,
  offset2: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> xa: array<vec4f>;
@group(0) @binding(5) var<storage, read> b: array<AdapterQuad>;
@group(0) @binding(6) var<storage, read> slot: array<u32>;
@group(0) @binding(7) var<storage, read> residual: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

/** Stores output o of token t with bias and residual; `sum` is W x + B xa. */
fn storeOutput(t: u32, o: u32, sum: f32) {
  let at = t * p.step + p.first + o;
  var value = sum;
  if (p.bias == 1u) {
    value = bias[o] + value;
  }
  if (p.residual == 1u) {
    value = residual[at] + value;
  }
  y[at] = value;
}
