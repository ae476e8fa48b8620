// The last part of the projections for software drivers: takes the place of the line `//@linear_store_serial` beside
// `//@linear_common` and `//@linear_expand`, in a kernel with LORA and LANES.

/** Adds LoRA, bias and residual to one token's four outputs, LANES apart, and stores those below OUT; `rows` are all below it. */
fn store(t: u32, outputs: vec4u, rows: vec4u, total: vec4f) {
  var sum = total;
  if (LORA) {
    let s = slot[t];
    if (s != NO_SLOT) {
      sum += expand(t, s, rows);
    }
  }
  // A loop, since every place in the code that loads or stores costs a CPU driver's compiler dearly.
  var o = outputs.x;
  for (var j = 0u; j < 4u && o < p.outputs; j++) {
    storeOutput(t, o, select(select(sum.x, sum.y, j == 1u), select(sum.z, sum.w, j == 3u), j >= 2u));
    o += LANES;
  }
}
