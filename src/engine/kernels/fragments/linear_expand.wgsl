// Second half of a projection's LoRA update: takes the place of the line `//@linear_expand` beside `//@linear_common` and
// `//@along`.

/** Quads of four rows of B. */
fn fourRows(at: vec4u) -> mat4x4f {
  return mat4x4f(adapterQuad(b[at.x]), adapterQuad(b[at.y]), adapterQuad(b[at.z]), adapterQuad(b[at.w]));
}

/** B xa of one token for four outputs, ascending over RANK. */
fn expand(t: u32, s: u32, outputs: vec4u) -> vec4f {
  let rows = (s * p.slotElements + p.offset) / 4u + outputs * p.rankQuads;
  let first = t * p.rankQuads;
  var sum = vec4f();
  for (var r = 0u; r < p.rankQuads; r++) {
    sum = along(xa[first + r], fourRows(rows + r), sum);
  }
  return sum;
}
