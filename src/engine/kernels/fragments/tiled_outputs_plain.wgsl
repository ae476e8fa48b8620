// What the rows of W are in the tiled projections: takes the place of the line `//@tiled_outputs`. Here every row is an output. W may be
// a stack of up to three projections, each from a multiple of 64 on, so all outputs of a workgroup are of one.

// Outputs of a workgroup.
const MADE = 64u;

/** The row of W that is row `line` of the workgroup; past the end the last. */
fn rowOf(firstOutput: u32, line: u32) -> u32 {
  return min(firstOutput + line, p.outputs - 1u);
}

fn widen(t: u32, r: u32, part: u32, w: mat4x4f, sum: vec4f) -> vec4f {
  return along(xa[t * p.xaQuads + part * p.rankQuads + r], w, sum);
}

/** Adds LoRA, bias and residual to one invocation's totals of four tokens × four rows and stores them. */
fn store(tokens: vec4u, firstOutput: u32, lines: vec4u, totals: array<vec4f, 4>) {
  let outputs = firstOutput + lines;
  let part = select(0u, 1u, firstOutput >= p.first1) + select(0u, 1u, firstOutput >= p.first2);
  let first = select(select(0u, p.first1, part > 0u), p.first2, part > 1u);
  let offset = select(select(p.offset, p.offset1, part > 0u), p.offset2, part > 1u);
  let rows = offset / 4u + (min(outputs, vec4u(p.outputs - 1u)) - first) * p.rankQuads;
  let values = updated(tokens, part, rows, totals);
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
