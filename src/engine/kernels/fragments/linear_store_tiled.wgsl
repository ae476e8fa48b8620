// The LoRA updates of the tiled projections: takes the place of the line `//@linear_store_tiled` beside `//@linear_common` and
// `//@along`. The way in which rows make outputs (`//@tiled_outputs`) brings
//   fn widen(t, r, part, w, sum)   adds quad r of token t's xa times the same quad of four rows of B; part: of the stack, where all
//                                  four are of one

/** Quads of four rows of B. */
fn fourRows(at: vec4u) -> mat4x4f {
  return mat4x4f(adapterQuad(b[at.x]), adapterQuad(b[at.y]), adapterQuad(b[at.z]), adapterQuad(b[at.w]));
}

/** B xa of one token for four rows, ascending over RANK; `rows` are their first quads in a slot. */
fn expand(t: u32, s: u32, part: u32, rows: vec4u) -> vec4f {
  let at = s * p.slotElements / 4u + rows;
  var sum = vec4f();
  for (var r = 0u; r < p.rankQuads; r++) {
    sum = widen(t, r, part, fourRows(at + r), sum);
  }
  return sum;
}

/** B xa of four tokens with one slot: rows of B are read once. */
fn expandFour(tokens: vec4u, s: u32, part: u32, rows: vec4u) -> array<vec4f, 4> {
  let at = s * p.slotElements / 4u + rows;
  var sums = array<vec4f, 4>();
  for (var r = 0u; r < p.rankQuads; r++) {
    let tile = fourRows(at + r);
    sums[0] = widen(tokens.x, r, part, tile, sums[0]);
    sums[1] = widen(tokens.y, r, part, tile, sums[1]);
    sums[2] = widen(tokens.z, r, part, tile, sums[2]);
    sums[3] = widen(tokens.w, r, part, tile, sums[3]);
  }
  return sums;
}

/** One invocation's totals of four tokens × four rows of W with their LoRA updates; `rows` are the first quads of B in a slot. */
fn updated(tokens: vec4u, part: u32, rows: vec4u, totals: array<vec4f, 4>) -> array<vec4f, 4> {
  var values = totals;
  if (p.rankQuads == 0u) {
    return values;
  }
  let bounded = min(tokens, vec4u(p.tokens - 1u));
  let slots = vec4u(slot[bounded.x], slot[bounded.y], slot[bounded.z], slot[bounded.w]);
  if (any(slots != slots.xxxx)) {
    for (var i = 0u; i < 4u; i++) {
      if (slots[i] != NO_SLOT) {
        values[i] += expand(bounded[i], slots[i], part, rows);
      }
    }
  } else if (slots.x != NO_SLOT) {
    let update = expandFour(bounded, slots.x, part, rows);
    values[0] += update[0];
    values[1] += update[1];
    values[2] += update[2];
    values[3] += update[3];
  }
  return values;
}
