// The frame of linear_forward_columns and linear_forward_columns_half: takes the place of the line `//@linear_columns` beside
// `//@linear_common`. The kernel says how weights are loaded and multiplied:
//   struct Run                           eight weights of each of four outputs
//   fn load(rows, oct) -> Run            weights 8·oct .. 8·oct + 7 of four rows
//   fn multiply(run, token, oct, sum)    adds eight terms of one token, whose first quad of x is `token`, to four outputs' sums;
//                                        inputs past IN are zero

// Tokens of a workgroup, at most 8.
override COLUMNS: u32;

const LANES = 64u;

// Sums of each token's and lane's four outputs.
var<workgroup> partial: array<vec4f, COLUMNS * LANES>;

/** Slices and parts of one output of one token, in the order that linear_forward_tiled states. */
fn total(token: u32, first: u32, output: u32) -> f32 {
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) {
    let at = token * LANES + first + 4u * part;
    sum += (partial[at][output] + partial[at + 1u][output]) + (partial[at + 2u][output] + partial[at + 3u][output]);
  }
  return sum;
}

/** B xa of one token and output, ascending over RANK. */
fn expand(t: u32, s: u32, o: u32) -> f32 {
  let row = (s * p.slotElements + p.offset) / 4u + o * p.rankQuads;
  var sum = 0.0;
  for (var r = 0u; r < p.rankQuads; r++) {
    let x = xa[t * p.rankQuads + r];
    let w = b[row + r];
    sum = fma(x.w, w.w, fma(x.z, w.z, fma(x.y, w.y, fma(x.x, w.x, sum))));
  }
  return sum;
}

/** Adds LoRA, bias and residual to the workgroup's outputs and stores them, neighbouring outputs by neighbouring lanes. */
fn store(lane: u32, firstToken: u32, firstOutput: u32) {
  let outputs = LANES / p.parts;
  for (var i = lane; i < outputs * COLUMNS; i += LANES) {
    let token = i / outputs;
    let t = firstToken + token;
    let o = firstOutput + i % outputs;
    if (t >= p.tokens || o >= p.outputs) {
      continue;
    }
    var value = total(token, (i % outputs / 4u) * 4u * p.parts, i % 4u);
    if (p.rankQuads > 0u) {
      let s = slot[t];
      if (s != NO_SLOT) {
        value += expand(t, s, o);
      }
    }
    storeOutput(t, o, value);
  }
}

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
