// Second half of a projection's LoRA update: takes the place of the line `//@linear_expand` beside `//@linear_common` and
// `//@along`.

/** B xa of one token for four outputs, ascending over RANK. */
fn expand(t: u32, s: u32, outputs: vec4u) -> vec4f {
  let rows = (s * p.slotElements + p.offset) / 4u + outputs * p.rankQuads;
  let first = t * p.rankQuads;
  var sum = vec4f();
  for (var r = 0u; r < p.rankQuads; r++) {
    sum = along(xa[first + r], mat4x4f(b[rows.x + r], b[rows.y + r], b[rows.z + r], b[rows.w + r]), sum);
  }
  return sum;
}
