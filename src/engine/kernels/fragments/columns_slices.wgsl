// Terms of linear_forward_columns where lanes share slices (share_slices): takes the place of the line `//@columns`.

// 32 numbers a run and 4 sums a column: of more than 8 columns two runs would take more registers than devices have for an invocation.
const TWO_RUNS = COLUMNS <= 8u;

/** Eight weights of each of four outputs. */
struct Run {
  low: mat4x4f,
  high: mat4x4f,
}

fn load(rows: vec4u, oct: u32) -> Run {
  let w0 = weight8(rows.x, oct);
  let w1 = weight8(rows.y, oct);
  let w2 = weight8(rows.z, oct);
  let w3 = weight8(rows.w, oct);
  return Run(mat4x4f(w0[0], w1[0], w2[0], w3[0]), mat4x4f(w0[1], w1[1], w2[1], w3[1]));
}

/** Adds eight terms of one token; inputs past IN are zero. */
fn multiply(run: Run, token: u32, oct: u32, sum: vec4f) -> vec4f {
  let quad = 2u * oct;
  var low = vec4f();
  var high = vec4f();
  if (quad < p.quads) {
    low = x[token + quad];
  }
  if (quad + 1u < p.quads) {
    high = x[token + quad + 1u];
  }
  return along(high, run.high, along(low, run.low, sum));
}
