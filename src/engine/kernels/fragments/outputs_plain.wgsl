// What the rows of W are in linear_columns: takes the place of the line `//@outputs`. Here every row is an output.

/** Four rows of W whose sums a lane makes. */
fn rowsOf(quad: u32) -> vec4u {
  return min(4u * quad + vec4u(0u, 1u, 2u, 3u), vec4u(p.outputs - 1u));
}

/** Adds LoRA, bias and residual to the workgroup's outputs and stores them, neighbouring outputs by neighbouring lanes. */
fn store(lane: u32, firstToken: u32, firstQuad: u32) {
  let outputs = LANES / p.parts;
  for (var i = lane; i < outputs * COLUMNS; i += LANES) {
    let token = i / outputs;
    let t = firstToken + token;
    let o = 4u * firstQuad + i % outputs;
    if (t >= p.tokens || o >= p.outputs) {
      continue;
    }
    storeOutput(t, o, total(token, (i % outputs / 4u) * 4u * p.parts, i % 4u) + expand(t, o));
  }
}
