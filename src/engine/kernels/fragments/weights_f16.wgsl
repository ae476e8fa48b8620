// Reading a frozen matrix [OUT, IN] kept as f16: takes the place of the line `//@weights` in a kernel whose binding is
// `w: array<vec4u>` and whose Params have
//   stride  vec4u of one row: IN / 8, rounded up to a multiple of 4
//   scales  not used
//
// Layout: weight i of a row in half i % 8 of the row's vec4u i / 8, the lower half of a word first. `unpack2x16float` is in
// every WebGPU, so no optional feature is needed.

/** Weights 4·quad .. 4·quad + 3 of a row. */
fn weight4(row: u32, quad: u32) -> vec4f {
  let words = w[row * p.stride + quad / 2u];
  let pair = select(words.xy, words.zw, (quad & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}

/** Weights 8·oct .. 8·oct + 7 of a row; those past IN are zero. */
fn weight8(row: u32, oct: u32) -> mat2x4f {
  let words = w[row * p.stride + oct];
  return mat2x4f(
    vec4f(unpack2x16float(words.x), unpack2x16float(words.y)),
    vec4f(unpack2x16float(words.z), unpack2x16float(words.w)),
  );
}

/** Weights 4·quad .. 4·quad + 3 of a row by `unitScale`. */
fn unit4(row: u32, quad: u32) -> vec4f {
  return weight4(row, quad);
}

fn unitScale(row: u32, group: u32) -> f32 {
  return 1.0;
}
