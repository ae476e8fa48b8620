// How attention over the segments of a token's keys is put together, in ascending order: takes the place of the line `//@segments`.
// The order depends on the position alone, whether one workgroup walks the segments or many make one each.

// Keys of a segment; a multiple of attention_forward_wide's BLOCK
const SEGMENT = 256u;

struct Softmax {
  // Largest score
  highest: f32,
  // Sum of exp(score − highest)
  total: f32,
}

/** Of the segments so far and the next one, and what the outputs of either are multiplied by. */
struct Merged {
  softmax: Softmax,
  before: f32,
  own: f32,
}

fn merged(before: Softmax, own: Softmax) -> Merged {
  let highest = max(before.highest, own.highest);
  let old = exp(before.highest - highest);
  let fresh = exp(own.highest - highest);
  return Merged(Softmax(highest, fma(before.total, old, own.total * fresh)), old, fresh);
}
