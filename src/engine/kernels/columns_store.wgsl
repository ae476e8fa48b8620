// The last part of the projections for few tokens: takes the place of the line `//@columns_store` in a kernel with their
// bindings, Params, COLUMNS and LANES, and the lanes' sums in `partial`.

/** Slices and parts of one output of one token, in the order that linear_forward_tiled states. */
fn total(token: u32, first: u32, output: u32) -> f32 {
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) {
    let at = token * LANES + first + 4u * part;
    sum += (partial[at][output] + partial[at + 1u][output]) + (partial[at + 2u][output] + partial[at + 3u][output]);
  }
  return sum;
}

/** B xa of one token and output. */
fn expand(t: u32, s: u32, o: u32) -> f32 {
  let row = (s * p.slotElements + p.offset) / 4u + o * p.rankQuads;
  var sum = 0.0;
  for (var r = 0u; r < p.rankQuads; r++) {
    let x = xa[t * p.rankQuads + r];
    let w = b[row + r];
    sum = fma(x.w, w.w, fma(x.z, w.z, fma(x.y, w.y, fma(x.x, w.x, sum))));
  }
  return sum;
}

/** Adds LoRA, bias and residual to the workgroup's outputs and stores them, neighbouring outputs by neighbouring lanes. */
fn store(lane: u32, firstToken: u32, firstOutput: u32) {
  let outputs = LANES / p.parts;
  for (var i = lane; i < outputs * COLUMNS; i += LANES) {
    let token = i / outputs;
    let t = firstToken + token;
    let o = firstOutput + i % outputs;
    if (t >= p.tokens || o >= p.outputs) {
      continue;
    }
    var value = total(token, (i % outputs / 4u) * 4u * p.parts, i % 4u);
    if (p.rankQuads > 0u) {
      let s = slot[t];
      if (s != NO_SLOT) {
        value += expand(t, s, o);
      }
    }
    let at = t * p.outputs + o;
    if (p.bias == 1u) {
      value = bias[o] + value;
    }
    if (p.residual == 1u) {
      value = residual[at] + value;
    }
    y[at] = value;
  }
}
