// How lanes share rows of W in linear_columns: takes the place of the line `//@share`. Lane i of four rows takes the runs of 8 weights
// i, i + 4 · parts, … of each, so the lanes of an output read neighbouring words, and a token's x is read once for four rows.
// The kernel says how weights are loaded and multiplied:
//   struct Run                           eight weights of each of four rows
//   fn load(rows, oct) -> Run            weights 8·oct .. 8·oct + 7 of four rows
//   fn multiply(run, token, oct, sum)    adds eight terms of one token, whose first quad of x is `token`, to four rows' sums;
//                                        inputs past IN are zero
//   const TWO_RUNS: bool                 two runs are in flight, not one: the same terms in the same order

/** Slices and parts of one row of W and one token, in the order that linear_forward_tiled states; `first` is the first lane of its four. */
fn total(token: u32, first: u32, output: u32) -> f32 {
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) {
    let at = token * LANES + first + 4u * part;
    sum += (partial[at][output] + partial[at + 1u][output]) + (partial[at + 2u][output] + partial[at + 3u][output]);
  }
  return sum;
}

fn addUp(rows: vec4u, lane: u32, token: ptr<function, array<u32, COLUMNS>>, sums: ptr<function, array<vec4f, COLUMNS>>) {
  let step = 4u * p.parts;
  let octs = 4u * ((p.quads + 7u) / 8u);
  if (!TWO_RUNS) {
    for (var oct = lane % step; oct < octs; oct += step) {
      let run = load(rows, oct);
      for (var i = 0u; i < COLUMNS; i++) {
        (*sums)[i] = multiply(run, (*token)[i], oct, (*sums)[i]);
      }
    }
    return;
  }
  for (var oct = lane % step; oct < octs; oct += 2u * step) {
    let next = oct + step;
    let run0 = load(rows, oct);
    let run1 = load(rows, min(next, octs - 1u));
    for (var i = 0u; i < COLUMNS; i++) {
      (*sums)[i] = multiply(run0, (*token)[i], oct, (*sums)[i]);
    }
    if (next < octs) {
      for (var i = 0u; i < COLUMNS; i++) {
        (*sums)[i] = multiply(run1, (*token)[i], next, (*sums)[i]);
      }
    }
  }
}
