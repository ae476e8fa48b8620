// A projection with its bias, LoRA update and residual for few tokens (decoding), on GPUs:
//   y = residual + (bias + (W x + B xa)), each term but W x optional.
//
// Shapes, bindings, host guarantees and, to the bit, the order of additions are those of linear_forward_tiled. Grid: x over
// OUT in 4 · LANES / (4 · p.parts), y over T in COLUMNS.
//
// A matrix-vector product with several columns: 4 · parts lanes share 4 outputs, lane i taking the runs of 8 weights
// i, i + 4 · parts, … of each, for all COLUMNS tokens; so the lanes of an output read neighbouring words (1 KiB of int4
// weights a run and workgroup) and one read of the weights serves all tokens. Two runs are loaded before the first is used:
// 8 words and scales in flight per lane. The lanes' sums meet in workgroup memory once, at the end.
//
// Per run a lane reads 4 · 4 bytes of int4 weights from memory and 32 · COLUMNS bytes of x from cache for 32 · COLUMNS fma and
// about 100 operations of unpacking: bound by memory up to about 4 columns, by arithmetic from there. Workgroups
// are small because little is shared: many of them keep a device of thousands of lanes busy with 896 outputs.

// Tokens of a workgroup, at most 8.
override COLUMNS: u32;

const NO_SLOT = 0xffffffffu;
const LANES = 64u;

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
  stride: u32,
  scales: u32,
  parts: u32,
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

// Sums of each token's and lane's four outputs.
var<workgroup> partial: array<vec4f, COLUMNS * LANES>;

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

//@columns_store

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let step = 4u * p.parts;
  let firstToken = group.y * COLUMNS;
  let firstOutput = group.x * (LANES / step) * 4u;
  // Outputs and tokens past the end repeat the last and are not stored.
  let rows = min(firstOutput + (lane / step) * 4u + vec4u(0u, 1u, 2u, 3u), vec4u(p.outputs - 1u));
  var token = array<u32, COLUMNS>();
  var sums = array<vec4f, COLUMNS>();
  for (var i = 0u; i < COLUMNS; i++) {
    token[i] = min(firstToken + i, p.tokens - 1u) * p.quads;
  }
  let octs = 4u * ((p.quads + 7u) / 8u);
  for (var oct = lane % step; oct < octs; oct += 2u * step) {
    let next = oct + step;
    let run0 = load(rows, oct);
    let run1 = load(rows, min(next, octs - 1u));
    for (var i = 0u; i < COLUMNS; i++) {
      sums[i] = multiply(run0, token[i], oct, sums[i]);
    }
    if (next < octs) {
      for (var i = 0u; i < COLUMNS; i++) {
        sums[i] = multiply(run1, token[i], next, sums[i]);
      }
    }
  }
  for (var i = 0u; i < COLUMNS; i++) {
    partial[i * LANES + lane] = sums[i];
  }
  workgroupBarrier();
  store(lane, firstToken, firstOutput);
}
