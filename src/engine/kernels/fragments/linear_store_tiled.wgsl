// The last part of the tiled projections: takes the place of the line `//@linear_store_tiled` beside `//@linear_common` and
// `//@linear_expand`.

/** B xa of four tokens with one slot: rows of B are read once. */
fn expandFour(tokens: vec4u, s: u32, outputs: vec4u) -> array<vec4f, 4> {
  let rows = (s * p.slotElements + p.offset) / 4u + outputs * p.rankQuads;
  let first = tokens * p.rankQuads;
  var sums = array<vec4f, 4>();
  for (var r = 0u; r < p.rankQuads; r++) {
    let tile = fourRows(rows + r);
    sums[0] = along(xa[first.x + r], tile, sums[0]);
    sums[1] = along(xa[first.y + r], tile, sums[1]);
    sums[2] = along(xa[first.z + r], tile, sums[2]);
    sums[3] = along(xa[first.w + r], tile, sums[3]);
  }
  return sums;
}

/** Adds LoRA, bias and residual to one invocation's totals of four tokens × four outputs and stores them. */
fn store(tokens: vec4u, outputs: vec4u, totals: array<vec4f, 4>) {
  var values = totals;
  if (p.rankQuads > 0u) {
    let bounded = min(tokens, vec4u(p.tokens - 1u));
    let rows = min(outputs, vec4u(p.outputs - 1u));
    let slots = vec4u(slot[bounded.x], slot[bounded.y], slot[bounded.z], slot[bounded.w]);
    if (any(slots != slots.xxxx)) {
      for (var i = 0u; i < 4u; i++) {
        if (slots[i] != NO_SLOT) {
          values[i] += expand(bounded[i], slots[i], rows);
        }
      }
    } else if (slots.x != NO_SLOT) {
      let update = expandFour(bounded, slots.x, rows);
      values[0] += update[0];
      values[1] += update[1];
      values[2] += update[2];
      values[3] += update[3];
    }
  }
  for (var i = 0u; i < 4u; i++) {
    if (tokens[i] >= p.tokens) {
      continue;
    }
    for (var j = 0u; j < 4u; j++) {
      let o = outputs[j];
      if (o >= p.outputs) {
        continue;
      }
      storeOutput(tokens[i], o, values[i][j]);
    }
  }
}
