// How lanes share rows of W in linear_columns: takes the place of the line `//@share`. Of the four lanes of a part each has one row, and
// takes its groups of 32 weights `part`, part + parts, …: one load of 16 bytes of int4 weights (two of int8) and one scale a group, in
// place of a word and a scale for 8 weights. Its sum has the four slices of the row, which share_slices gives four lanes, so every
// slice has the same terms in the same order. A token's x is read for one row, not four: for few tokens.
//
// The weights say how a group is read (`//@weights`); the kernel how it is multiplied:
//   fn multiplyGroup(group, scale, token, index, sum)   adds the 32 terms of one token, whose first quad of x is `token`, to the four
//                                                       slices' sums; inputs past IN are zero

/** Slices and parts of one row of W and one token, in the order that linear_forward_tiled states; `first` is the first lane of its four. */
fn total(token: u32, first: u32, output: u32) -> f32 {
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) {
    let slices = partial[token * LANES + first + 4u * part + output];
    sum += (slices.x + slices.y) + (slices.z + slices.w);
  }
  return sum;
}

fn addUp(rows: vec4u, lane: u32, token: ptr<function, array<u32, COLUMNS>>, sums: ptr<function, array<vec4f, COLUMNS>>) {
  let row = rows[lane % 4u];
  let groups = (p.quads + 7u) / 8u;
  for (var index = lane % (4u * p.parts) / 4u; index < groups; index += 2u * p.parts) {
    let next = index + p.parts;
    let last = min(next, groups - 1u);
    let group0 = groupOf(row, index);
    let group1 = groupOf(row, last);
    let scale0 = groupScale(row, index);
    let scale1 = groupScale(row, last);
    for (var i = 0u; i < COLUMNS; i++) {
      (*sums)[i] = multiplyGroup(group0, scale0, (*token)[i], index, (*sums)[i]);
    }
    if (next < groups) {
      for (var i = 0u; i < COLUMNS; i++) {
        (*sums)[i] = multiplyGroup(group1, scale1, (*token)[i], next, (*sums)[i]);
      }
    }
  }
}
