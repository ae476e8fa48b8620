// Reading a frozen matrix [OUT, IN] kept as f32: takes the place of the line `//@weights` in a kernel whose binding is
// `w: array<vec4u>` and whose Params have
//   stride  vec4u of one row: IN / 4
//   scales  not used

/** Weights 4·quad .. 4·quad + 3 of a row. */
fn weight4(row: u32, quad: u32) -> vec4f {
  return bitcast<vec4f>(w[row * p.stride + quad]);
}

/** Weights 8·oct .. 8·oct + 7 of a row; past IN the next row follows, so callers multiply that with zeros. */
fn weight8(row: u32, oct: u32) -> mat2x4f {
  let at = row * p.stride + 2u * oct;
  return mat2x4f(bitcast<vec4f>(w[at]), bitcast<vec4f>(w[at + 1u]));
}
