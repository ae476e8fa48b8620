enable f16;

// linear_forward_tiled with products in f16, for devices with the feature shader-f16 and packed weights (f16, int8, int4):
//   y = residual + (bias + (W x + B xa))
//
// Bindings, grid and host guarantees as there; B xa, bias and residual in f32 as there.
//
// Order of additions, the same in linear_forward_columns_half to the bit: as in linear_forward_tiled, but a slice's eight products
// of a group are added up in f16 (fma, ascending, from zero); that sum times the group's scale is added in f32.
//
// Weights are multiplied without their scale, as integers over 8 or 128, which f16 has exactly; inputs over 8, with those beyond
// ±65504 taken as that. So no sum of eight leaves the range of f16 (with f16 weights: while they are below 1), and what is
// rounded is an input once (2^-11 of it) and eight sums: about 2^-11 of the eight products' magnitude, at random. int4 itself
// rounds weights by about 2^-3 of their usual size and int8 by 2^-7. Longer sums in f16 would save a sixth of the operations and round
// coarser, the more so the more the inputs differ in size.
//
// Workgroup memory: inputs [64, 8] and weights [32, 16] in quads of f16, 8 KiB, and 8 KiB for the scales and the slices' sums. The
// weights' quads are four outputs of one k, so that f16 units that take two numbers at once get them side by side: 128 invocations
// unpack 4 × 4 weights each, 128 others convert 16 inputs. Per group an invocation does 512 f16 fma (256 where they go in
// pairs), 64 conversions and f32 fma, on 48 8-byte reads: three quarters of the bytes of the f32 kernel. Registers: 64 sums, 16 for 32
// products' sums, 16 totals. Quad q of k lies at q ^ (4 · (k / 4 % 4)), that of token t at q ^ (t % 8).

const TILE = 64u;
// Quads of a group.
const QUADS = 8u;
// Where the inputs begin in `tile`.
const INPUTS = 512u;
const LARGEST = 65504.0;

//@adapters

//@linear_common

@group(0) @binding(2) var<storage, read> w: array<vec4u>;

// A group's weights [32, 16] and inputs [64, 8].
var<workgroup> tile: array<vec4<f16>, 1024>;
// A group's scales [16]; at the end of a part an eighth of the slices' sums [4, 128].
var<workgroup> sums: array<vec4f, 512>;

//@weights

//@along

//@linear_store_tiled

/** Of two outputs' rows of gate and up among a workgroup's 64: the output, 0, 1 in rows 0 to 3. */
fn outputOf(line: u32) -> u32 {
  return line / 4u * 2u + line % 2u;
}

/** Whether it is a row of up: 0 or 1. Of an invocation's four rows the last two are. */
fn upOf(line: u32) -> u32 {
  return line / 2u % 2u;
}

//@tiled_outputs

/** Unpacks quads `quad` of four rows into the tile, transposed; the first also writes their scales. */
fn stageWeights(rowQuad: u32, quad: u32, g: u32, firstOutput: u32) {
  let line = 4u * rowQuad;
  let rows = vec4u(
    rowOf(firstOutput, line),
    rowOf(firstOutput, line + 1u),
    rowOf(firstOutput, line + 2u),
    rowOf(firstOutput, line + 3u),
  );
  let all = g * QUADS + quad;
  let w0 = vec4<f16>(unit4(rows.x, all));
  let w1 = vec4<f16>(unit4(rows.y, all));
  let w2 = vec4<f16>(unit4(rows.z, all));
  let w3 = vec4<f16>(unit4(rows.w, all));
  let at = quad * 64u + (rowQuad ^ (4u * (quad % 4u)));
  tile[at] = vec4<f16>(w0.x, w1.x, w2.x, w3.x);
  tile[at + 16u] = vec4<f16>(w0.y, w1.y, w2.y, w3.y);
  tile[at + 32u] = vec4<f16>(w0.z, w1.z, w2.z, w3.z);
  tile[at + 48u] = vec4<f16>(w0.w, w1.w, w2.w, w3.w);
  if (quad == 0u) {
    // Inputs are over 8.
    sums[rowQuad] =
      8.0 * vec4f(unitScale(rows.x, g), unitScale(rows.y, g), unitScale(rows.z, g), unitScale(rows.w, g));
  }
}

/** Converts one quad of four tokens, 16 apart; zeros past IN. */
fn stageInputs(token: u32, quad: u32, g: u32, firstToken: u32) {
  for (var i = 0u; i < 4u; i++) {
    let t = token + 16u * i;
    var value = vec4f();
    if (g * QUADS + quad < p.quads) {
      value = x[min(firstToken + t, p.tokens - 1u) * p.quads + g * QUADS + quad];
    }
    let over = 0.125 * clamp(value, vec4f(-LARGEST), vec4f(LARGEST));
    tile[INPUTS + t * QUADS + (quad ^ (t % QUADS))] = vec4<f16>(over);
  }
}

/** Sums in f16 of a slice's eight products: four tokens (at `i`, 64 apart) × eight outputs, [4, 2]. */
fn multiply(slice: u32, i: u32, tokenLane: u32, outputLane: u32) -> array<vec4<f16>, 8> {
  var c = array<vec4<f16>, 8>();
  for (var half = 0u; half < 2u; half++) {
    let quad = 2u * slice + half;
    let at = i + (quad ^ tokenLane);
    let x0 = tile[at];
    let x1 = tile[at + 64u];
    let x2 = tile[at + 128u];
    let x3 = tile[at + 192u];
    let low = quad * 64u + (outputLane ^ (4u * (quad % 4u)));
    for (var k = 0u; k < 4u; k++) {
      let w0 = tile[low + 16u * k];
      let w1 = tile[(low ^ 8u) + 16u * k];
      c[0] = fma(vec4<f16>(x0[k]), w0, c[0]);
      c[1] = fma(vec4<f16>(x0[k]), w1, c[1]);
      c[2] = fma(vec4<f16>(x1[k]), w0, c[2]);
      c[3] = fma(vec4<f16>(x1[k]), w1, c[3]);
      c[4] = fma(vec4<f16>(x2[k]), w0, c[4]);
      c[5] = fma(vec4<f16>(x2[k]), w1, c[5]);
      c[6] = fma(vec4<f16>(x3[k]), w0, c[6]);
      c[7] = fma(vec4<f16>(x3[k]), w1, c[7]);
    }
  }
  return c;
}

fn slices(at: u32) -> vec4f {
  return (sums[at] + sums[at + 128u]) + (sums[at + 256u] + sums[at + 384u]);
}

/** Adds the slices' sums of two tokens per invocation; returns one token's four outputs for every invocation. */
fn exchange(lane: u32, sum0: vec4f, sum1: vec4f, sum2: vec4f, sum3: vec4f) -> vec4f {
  let at = (lane / 64u) * 128u + (lane % 64u / 8u) * 16u + lane % 8u;
  workgroupBarrier();
  sums[at] = sum0;
  sums[at + 8u] = sum1;
  workgroupBarrier();
  let even = slices(lane % 128u);
  workgroupBarrier();
  sums[at] = sum2;
  sums[at + 8u] = sum3;
  workgroupBarrier();
  return select(slices(lane % 128u), even, lane < 128u);
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
    // Tokens tokenLane + 8 m in 2m and 2m + 1: the output quads outputLane and outputLane + 8.
    var c = array<vec4f, 16>();
    for (var g = part; g < groups; g += p.parts) {
      workgroupBarrier();
      if (lane < 128u) {
        stageWeights(lane / 8u, lane % 8u, g, firstOutput);
      } else {
        stageInputs(lane / 8u - 16u, lane % 8u, g, firstToken);
      }
      workgroupBarrier();
      let low = sums[outputLane];
      let high = sums[outputLane + 8u];
      let at = INPUTS + tokenLane * QUADS;
      let first = multiply(slice, at, tokenLane, outputLane);
      c[0] = fma(vec4f(first[0]), low, c[0]);
      c[1] = fma(vec4f(first[1]), high, c[1]);
      c[2] = fma(vec4f(first[2]), low, c[2]);
      c[3] = fma(vec4f(first[3]), high, c[3]);
      c[4] = fma(vec4f(first[4]), low, c[4]);
      c[5] = fma(vec4f(first[5]), high, c[5]);
      c[6] = fma(vec4f(first[6]), low, c[6]);
      c[7] = fma(vec4f(first[7]), high, c[7]);
      let second = multiply(slice, at + 256u, tokenLane, outputLane);
      c[8] = fma(vec4f(second[0]), low, c[8]);
      c[9] = fma(vec4f(second[1]), high, c[9]);
      c[10] = fma(vec4f(second[2]), low, c[10]);
      c[11] = fma(vec4f(second[3]), high, c[11]);
      c[12] = fma(vec4f(second[4]), low, c[12]);
      c[13] = fma(vec4f(second[5]), high, c[13]);
      c[14] = fma(vec4f(second[6]), low, c[14]);
      c[15] = fma(vec4f(second[7]), high, c[15]);
    }
    totals[0] += exchange(lane, c[0], c[1], c[2], c[3]);
    totals[1] += exchange(lane, c[4], c[5], c[6], c[7]);
    totals[2] += exchange(lane, c[8], c[9], c[10], c[11]);
    totals[3] += exchange(lane, c[12], c[13], c[14], c[15]);
  }
  // Four tokens, 16 apart, and four outputs side by side.
  let steps = vec4u(0u, 1u, 2u, 3u);
  let tokens = firstToken + (lane / 128u) * 8u + lane % 128u / 16u + 16u * steps;
  store(tokens, firstOutput, 4u * (lane % 16u) + steps, totals);
}
