// The frame of linear_forward_columns and linear_forward_columns_half: takes the place of the line `//@linear_columns` beside
// `//@linear_common`. The kernel says how weights are loaded and multiplied:
//   struct Run                           eight weights of each of four outputs
//   fn load(rows, oct) -> Run            weights 8·oct .. 8·oct + 7 of four rows
//   fn multiply(run, token, oct, sum)    adds eight terms of one token, whose first quad of x is `token`, to four outputs' sums;
//                                        inputs past IN are zero
// The constant OUTPUTS says which rows of W make an output, and how it is stored (`//@outputs`): plain, or swiglu.

// Tokens of a workgroup, at most 16.
override COLUMNS: u32;

const LANES = 64u;

// Sums of each token's and lane's four rows of W.
var<workgroup> partial: array<vec4f, COLUMNS * LANES>;

/** Slices and parts of one row of W and one token, in the order that linear_forward_tiled states; `first` is the first lane of its four. */
fn total(token: u32, first: u32, output: u32) -> f32 {
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) {
    let at = token * LANES + first + 4u * part;
    sum += (partial[at][output] + partial[at + 1u][output]) + (partial[at + 2u][output] + partial[at + 3u][output]);
  }
  return sum;
}

/** B xa of one token and row of W, ascending over RANK; 0 without an adapter. */
fn expand(t: u32, o: u32) -> f32 {
  var sum = 0.0;
  if (p.rankQuads == 0u || slot[t] == NO_SLOT) {
    return sum;
  }
  let part = select(0u, 1u, o >= p.first1) + select(0u, 1u, o >= p.first2);
  let first = select(select(0u, p.first1, part > 0u), p.first2, part > 1u);
  let offset = select(select(p.offset, p.offset1, part > 0u), p.offset2, part > 1u);
  let row = (slot[t] * p.slotElements + offset) / 4u + (o - first) * p.rankQuads;
  let narrow = t * p.xaQuads + part * p.rankQuads;
  for (var r = 0u; r < p.rankQuads; r++) {
    let x = xa[narrow + r];
    let w = b[row + r];
    sum = fma(x.w, w.w, fma(x.z, w.z, fma(x.y, w.y, fma(x.x, w.x, sum))));
  }
  return sum;
}

//@outputs

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let step = 4u * p.parts;
  let firstToken = group.x * COLUMNS;
  let firstQuad = group.y * (LANES / step);
  // Rows and tokens past the end repeat the last and are not stored.
  let rows = rowsOf(firstQuad + lane / step);
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
  store(lane, firstToken, firstQuad);
}
