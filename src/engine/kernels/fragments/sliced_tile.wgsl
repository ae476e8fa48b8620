// What linear_forward_tiled and linear_backward_input_tiled make their products in: takes the place of the line
// `//@sliced_tile`. Of a workgroup's 256 invocations each 64 are a slice; an invocation has 8 × 8 numbers in registers.

// Tokens of a workgroup, and its outputs or inputs.
const TILE = 64u;
// Quads of a step of 32 along what is added up.
const QUADS = 8u;
// Where the weights begin in `tile`.
const WEIGHTS = TILE * QUADS;

// A step's [64, 8] of x or dY, then its 512 quads of weights; at the end a quarter of the slices' sums [4, 256].
var<workgroup> tile: array<vec4f, 1024>;

/** Adds the slices' sums of two tokens per invocation; returns one token's quad for every invocation. */
fn exchange(lane: u32, sum0: vec4f, sum1: vec4f, sum2: vec4f, sum3: vec4f) -> vec4f {
  let at = (lane / 64u) * 256u + (lane % 64u / 8u) * 16u + lane % 8u;
  workgroupBarrier();
  tile[at] = sum0;
  tile[at + 8u] = sum1;
  tile[at + 128u] = sum2;
  tile[at + 136u] = sum3;
  workgroupBarrier();
  return (tile[lane] + tile[lane + 256u]) + (tile[lane + 512u] + tile[lane + 768u]);
}
