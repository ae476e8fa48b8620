// A projection with its bias, LoRA update and residual for many tokens, on GPUs:
//   y = residual + (bias + (W x + B xa)), each term but W x optional.
//
//   w [OUT, IN] in any format, see weights_int4 and its siblings; the other bindings: see linear_common
//
// Host guarantees: IN and RANK are multiples of 4. Grid: x over T in 64, y over OUT in 64 (32 of gate and up): workgroups that run at
// the same time share rows of W. OUTPUTS says which rows of W make an output, and how it is stored (`//@tiled_outputs`): plain, or swiglu.
//
// Order of additions, the same in linear_forward_columns to the bit: the weights of an output in groups of 32 along IN;
// part j of p.parts has the groups j, j + parts, …; slice s of a part has weights 8s .. 8s + 7 of each of its groups and is
// added up in ascending order with fma; a part is (s0 + s1) + (s2 + s3); parts are added in ascending order. Then
// B xa (ascending over RANK) is added as one number.
//
// A workgroup makes 64 tokens × 64 outputs; its 4 · 64 invocations are the 4 slices of 8 × 8 tiles in registers. Per group of
// 32 it copies 64 · 32 inputs and unpacks 64 · 32 weights into workgroup memory, 8 of each per invocation: every packed
// word is read once for 64 tokens. An invocation then does 512 fma on 32 16-byte reads of workgroup memory (a 4 × 4 tile
// would need 64 for as many), unpacking being about 30 operations. At the end of a part the slices are added through workgroup
// memory: 32 reads and writes, as much as one group costs, so parts have 7 groups or more. Global reads per
// 64 × 64 × 32 products: 8 KiB of x and 1.1 KiB of int4 weights, 14 fma a byte, x from cache for all but the first outputs.
//
// Registers: 64 sums, 32 weights, 16 totals. Workgroup memory: all of the portable 16 KiB. Quad q of row r lies at q ^ (r % 8),
// so that neither the copying nor the reading lanes meet in a bank.

//@adapters

//@linear_common

@group(0) @binding(2) var<storage, read> w: array<vec4u>;

//@weights

//@along

//@sliced_tile

//@linear_store_tiled

/** Of two outputs' rows of gate and up among a workgroup's 64: the output, 0 to 7 in rows 0 to 7 and 16 to 23. */
fn outputOf(line: u32) -> u32 {
  return line % 8u + line / 8u % 2u * 8u + line / 32u * 16u;
}

/** Whether it is a row of up: 0 or 1. Of an invocation's four rows the last two are. */
fn upOf(line: u32) -> u32 {
  return line / 16u % 2u;
}

//@tiled_outputs

/** Fills the tile with group g of 64 tokens and 64 outputs; inputs past IN are zero, rows past the end repeat the last. */
fn stage(lane: u32, g: u32, firstToken: u32, firstOutput: u32) {
  let row = lane / 4u;
  let oct = lane % 4u;
  let token = min(firstToken + row, p.tokens - 1u) * p.quads;
  let quad = g * QUADS + 2u * oct;
  var low = vec4f();
  var high = vec4f();
  if (quad < p.quads) {
    low = x[token + quad];
  }
  if (quad + 1u < p.quads) {
    high = x[token + quad + 1u];
  }
  let weights = weight8(rowOf(firstOutput, row), g * 4u + oct);
  let even = row * QUADS + ((2u * oct) ^ (row % QUADS));
  tile[even] = low;
  tile[even ^ 1u] = high;
  tile[WEIGHTS + even] = weights[0];
  tile[WEIGHTS + (even ^ 1u)] = weights[1];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstToken = group.x * TILE;
  let firstOutput = group.y * MADE;
  let slice = lane / 64u;
  let tokenLane = lane % 64u / 8u;
  let outputLane = lane % 8u;
  let groups = (p.quads + QUADS - 1u) / QUADS;
  var totals = array<vec4f, 4>();
  for (var part = 0u; part < p.parts; part++) {
    // Tokens tokenLane + 8 m in 2m and 2m + 1: outputs outputLane + 8 (0, 1, 2, 3) and + 8 (4, 5, 6, 7).
    var c = array<vec4f, 16>();
    for (var g = part; g < groups; g += p.parts) {
      workgroupBarrier();
      stage(lane, g, firstToken, firstOutput);
      workgroupBarrier();
      for (var half = 0u; half < 2u; half++) {
        let quad = 2u * slice + half;
        let i = tokenLane * QUADS + (quad ^ tokenLane);
        let j = WEIGHTS + outputLane * QUADS + (quad ^ outputLane);
        let low = mat4x4f(tile[j], tile[j + 64u], tile[j + 128u], tile[j + 192u]);
        let high = mat4x4f(tile[j + 256u], tile[j + 320u], tile[j + 384u], tile[j + 448u]);
        let x0 = tile[i];
        c[0] = along(x0, low, c[0]);
        c[1] = along(x0, high, c[1]);
        let x1 = tile[i + 64u];
        c[2] = along(x1, low, c[2]);
        c[3] = along(x1, high, c[3]);
        let x2 = tile[i + 128u];
        c[4] = along(x2, low, c[4]);
        c[5] = along(x2, high, c[5]);
        let x3 = tile[i + 192u];
        c[6] = along(x3, low, c[6]);
        c[7] = along(x3, high, c[7]);
        let x4 = tile[i + 256u];
        c[8] = along(x4, low, c[8]);
        c[9] = along(x4, high, c[9]);
        let x5 = tile[i + 320u];
        c[10] = along(x5, low, c[10]);
        c[11] = along(x5, high, c[11]);
        let x6 = tile[i + 384u];
        c[12] = along(x6, low, c[12]);
        c[13] = along(x6, high, c[13]);
        let x7 = tile[i + 448u];
        c[14] = along(x7, low, c[14]);
        c[15] = along(x7, high, c[15]);
      }
    }
    totals[0] += exchange(lane, c[0], c[1], c[2], c[3]);
    totals[1] += exchange(lane, c[4], c[5], c[6], c[7]);
    totals[2] += exchange(lane, c[8], c[9], c[10], c[11]);
    totals[3] += exchange(lane, c[12], c[13], c[14], c[15]);
  }
  // Four tokens, 16 apart, and four outputs, 8 apart: neighbouring lanes store neighbouring numbers.
  let steps = vec4u(0u, 1u, 2u, 3u);
  let tokens = firstToken + (lane / 128u) * 8u + lane % 128u / 16u + 16u * steps;
  store(tokens, firstOutput, lane % 8u + (lane % 16u / 8u) * 32u + 8u * steps, totals);
}
