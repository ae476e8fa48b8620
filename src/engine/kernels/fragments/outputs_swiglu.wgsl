// What the rows of W are in linear_columns: takes the place of the line `//@outputs`. Here W is a stack of gate, p.outputs rows from 0
// on, and up, as many from p.first1 on, and y [T, p.outputs] = silu(gate) · up (Shazeer 2020), silu(z) = z / (1 + exp(−z)). The host
// guarantees that p.outputs is even.

/** Two rows of gate and the same two of up: a lane makes their sums. */
fn rowsOf(quad: u32) -> vec4u {
  let gate = min(2u * quad + vec2u(0u, 1u), vec2u(p.outputs - 1u));
  return vec4u(gate, gate + p.first1);
}

/** Adds LoRA to the workgroup's sums and stores what gate and up make, neighbouring outputs by neighbouring lanes. */
fn store(lane: u32, firstToken: u32, firstQuad: u32) {
  let outputs = LANES / p.parts / 2u;
  for (var i = lane; i < outputs * COLUMNS; i += LANES) {
    let token = i / outputs;
    let t = firstToken + token;
    let o = 2u * firstQuad + i % outputs;
    if (t >= p.tokens || o >= p.outputs) {
      continue;
    }
    let first = (i % outputs / 2u) * 4u * p.parts;
    let z = total(token, first, i % 2u) + expand(t, o);
    let up = total(token, first, 2u + i % 2u) + expand(t, p.first1 + o);
    y[t * p.outputs + o] = z / (1.0 + exp(-z)) * up;
  }
}
