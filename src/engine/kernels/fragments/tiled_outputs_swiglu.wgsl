// What the rows of W are in the tiled projections: takes the place of the line `//@tiled_outputs`. Here W is a stack of gate and up, and
// y [T, p.outputs] = silu(gate) · up, as in outputs_swiglu and with its bits. The kernel says which of a workgroup's 64 rows are of which output
// (outputOf, upOf): an invocation has two outputs' rows of both.

// Outputs of a workgroup.
const MADE = 32u;

/** The row of W that is row `line` of the workgroup; past the end the last. */
fn rowOf(firstOutput: u32, line: u32) -> u32 {
  return min(firstOutput + outputOf(line), p.outputs - 1u) + upOf(line) * p.first1;
}

/** Of four rows two are of gate and two of up, each with an xa of its own. */
fn widen(t: u32, r: u32, part: u32, w: mat4x4f, sum: vec4f) -> vec4f {
  let gate = t * p.xaQuads + r;
  return vec4f(along(xa[gate], w, sum).xy, along(xa[gate + p.rankQuads], w, sum).zw);
}

/** Adds LoRA to one invocation's totals of four tokens × two rows of gate and the same two of up, and stores what they make. */
fn store(tokens: vec4u, firstOutput: u32, lines: vec4u, totals: array<vec4f, 4>) {
  let outputs = firstOutput + vec2u(outputOf(lines.x), outputOf(lines.y));
  let quads = min(outputs, vec2u(p.outputs - 1u)) * p.rankQuads;
  let rows = vec4u(p.offset / 4u + quads, p.offset1 / 4u + quads);
  let values = updated(tokens, 0u, rows, totals);
  for (var i = 0u; i < 4u; i++) {
    if (tokens[i] >= p.tokens) {
      continue;
    }
    for (var j = 0u; j < 2u; j++) {
      if (outputs[j] >= p.outputs) {
        continue;
      }
      let z = values[i][j];
      y[tokens[i] * p.outputs + outputs[j]] = z / (1.0 + exp(-z)) * values[i][2u + j];
    }
  }
}
