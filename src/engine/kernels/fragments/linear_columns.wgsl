// The frame of linear_forward_columns and linear_forward_columns_half: takes the place of the line `//@linear_columns` beside
// `//@linear_common`. Four lanes and their parts share four rows of W. The constant SHARE says how (`//@share`):
//   slices   a lane takes every fourth run of 8 weights of all four rows
//   groups   a lane takes whole groups of 32 weights of one row
// Either brings
//   fn addUp(rows, lane, token, sums)    adds a lane's terms for all COLUMNS tokens; token[i] is the first quad of token i's x
//   fn total(token, first, output)       the sum of one row of W and one token, from the sums of its lanes
// and gives the same bits. The constant OUTPUTS says which rows of W make an output, and how it is stored (`//@outputs`): plain, or swiglu.

// Tokens of a workgroup, at most 16.
override COLUMNS: u32;

const LANES = 64u;

// Sums of each token and lane: of four rows of W, or of the four slices of one.
var<workgroup> partial: array<vec4f, COLUMNS * LANES>;

//@share

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
    let w = adapterQuad(b[row + r]);
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
  addUp(rows, lane, &token, &sums);
  for (var i = 0u; i < COLUMNS; i++) {
    partial[i * LANES + lane] = sums[i];
  }
  workgroupBarrier();
  store(lane, firstToken, firstQuad);
}
