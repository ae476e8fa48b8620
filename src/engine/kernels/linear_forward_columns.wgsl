// A projection with its bias, LoRA update and residual for few tokens (decoding), on GPUs:
//   y = residual + (bias + (W x + B xa)), each term but W x optional.
//
//   w [OUT, IN] in any format, see weights_int4 and its siblings; the other bindings: see linear_common
//
// Host guarantees and, to the bit, the order of additions are those of linear_forward_tiled. Grid: x over T in
// COLUMNS, y over OUT in 4 · LANES / (4 · p.parts): workgroups that read the same rows of W run side by side.
//
// A matrix-vector product with several columns: 4 · parts lanes share 4 outputs, lane i taking the runs of 8 weights
// i, i + 4 · parts, … of each, for all COLUMNS tokens; so the lanes of an output read neighbouring words (1 KiB of int4
// weights a run and workgroup) and one read of the weights serves the COLUMNS tokens of a workgroup: 9 to 32 tokens are two blocks
// or more here (up to 8 tokens each), and one or two in linear_forward_columns_half (up to 16). Two runs are loaded before the first is used:
// 8 words and scales in flight per lane. The lanes' sums meet in workgroup memory once, at the end. All that is in
// linear_columns, but for the loading and multiplying.
//
// Per run a lane reads 4 · 4 bytes of int4 weights from memory and 32 · COLUMNS bytes of x from cache for 32 · COLUMNS fma and
// about 100 operations of unpacking: bound by memory up to about 4 columns, by arithmetic from there. Workgroups
// are small because little is shared: many of them keep a device of thousands of lanes busy with 896 outputs.

//@linear_common

@group(0) @binding(2) var<storage, read> w: array<vec4u>;

//@weights

//@along

/** Eight weights of each of four outputs. */
struct Run {
  low: mat4x4f,
  high: mat4x4f,
}

fn load(rows: vec4u, oct: u32) -> Run {
  let w0 = weight8(rows.x, oct);
  let w1 = weight8(rows.y, oct);
  let w2 = weight8(rows.z, oct);
  let w3 = weight8(rows.w, oct);
  return Run(mat4x4f(w0[0], w1[0], w2[0], w3[0]), mat4x4f(w0[1], w1[1], w2[1], w3[1]));
}

/** Adds eight terms of one token; inputs past IN are zero. */
fn multiply(run: Run, token: u32, oct: u32, sum: vec4f) -> vec4f {
  let quad = 2u * oct;
  var low = vec4f();
  var high = vec4f();
  if (quad < p.quads) {
    low = x[token + quad];
  }
  if (quad + 1u < p.quads) {
    high = x[token + quad + 1u];
  }
  return along(high, run.high, along(low, run.low, sum));
}

//@linear_columns
