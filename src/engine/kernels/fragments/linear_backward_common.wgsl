// What the gradients by a projection's input, dX[T, IN] (+)= dY · W + dXA · A, have in common: takes the place of the line
// `//@linear_backward_common`. The kernel declares binding 1, `dy` [T, OUT], the gradient by the projection's output, and
// binding 2, `w` [OUT, IN], as it reads them.
//
//   dxa [T, RANK]  scale · dY · B, from lora_backward_shrink
//   a   pool       adapters; this projection's A [RANK, IN] starts at slot · p.slotElements + p.offset
//   slot [T]       adapter slot of each token: with LoRA it exists, and every 4 tokens have one
//   dx  [T, IN]
//
// IN and RANK are multiples of 4.

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
  // Numbers from one token's dy to the next's, and the place of output 0 among them: W may be some rows of a taller matrix
  step: u32,
  first: u32,
  tokens: u32,
  // For `//@weights`
  stride: u32,
  scales: u32,
  // On GPUs: runs that OUT is cut into; see linear_backward_input_tiled
  splits: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(3) var<storage, read> dxa: array<vec4f>;
@group(0) @binding(4) var<storage, read> a: array<vec4f>;
@group(0) @binding(5) var<storage, read> slot: array<u32>;
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;

/** Adds four terms of four columns' sums in ascending order; `w` holds the four rows of the columns. */
fn along(d: vec4f, w: mat4x4f, sum: vec4f) -> vec4f {
  return fma(vec4f(d.w), w[3], fma(vec4f(d.z), w[2], fma(vec4f(d.y), w[1], fma(vec4f(d.x), w[0], sum))));
}

/** dXA · A of one token and column quad on top of a sum, ascending over RANK. */
fn addLora(t: u32, column: u32, total: vec4f) -> vec4f {
  let inQuads = p.in / 4u;
  let rankQuads = p.rank / 4u;
  var row = (slot[t] * p.slotElements + p.offset) / 4u + column;
  var sum = total;
  for (var r = 0u; r < rankQuads; r++) {
    let rows = mat4x4f(a[row], a[row + inQuads], a[row + 2u * inQuads], a[row + 3u * inQuads]);
    row += 4u * inQuads;
    sum = along(dxa[t * rankQuads + r], rows, sum);
  }
  return sum;
}
