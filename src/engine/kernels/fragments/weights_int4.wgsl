// Reading a frozen matrix [OUT, IN] kept as int4 in groups of 32 along IN: takes the place of the line `//@weights` in a kernel
// whose binding is `w: array<vec4u>` and whose Params have
//   stride  vec4u of one row: groups = ⌈IN / 32⌉
//   scales  index of the first word (u32) of the scales
//
// Layout: weight i of a row in nibble i % 32 of the row's vec4u i / 32, offset by 8; the scale of group g of a row is half
// g % 2 of word scales + row · ⌈groups / 2⌉ + g / 2. A weight is (nibble − 8) · scale.
// Scales are stored 64 times as large: f16 numbers below 2^-14 might be read as zero.

/** A weight by `unitScale` is its multiple of this one's inverse. */
const UNIT = 8.0;

fn groupScale(row: u32, group: u32) -> f32 {
  let at = p.scales + row * ((p.stride + 1u) / 2u) + group / 2u;
  let both = unpack2x16float(w[at / 4u][at % 4u]);
  return select(both.x, both.y, (group & 1u) == 1u) * 0x1p-6;
}

/** The lowest four nibbles of a word less their offset. */
fn nibbles(word: u32) -> vec4f {
  return vec4f((vec4u(word) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u)) - 8.0;
}

/** Weights 4·quad .. 4·quad + 3 of a row. */
fn weight4(row: u32, quad: u32) -> vec4f {
  let group = quad / 8u;
  let word = w[row * p.stride + group][(quad / 2u) % 4u];
  return groupScale(row, group) * nibbles(word >> ((quad & 1u) * 16u));
}

/** Weights 8·oct .. 8·oct + 7 of a row; those past IN are zero. */
fn weight8(row: u32, oct: u32) -> mat2x4f {
  let group = oct / 4u;
  let word = w[row * p.stride + group][oct % 4u];
  let scale = groupScale(row, group);
  return mat2x4f(scale * nibbles(word), scale * nibbles(word >> 16u));
}

/** Weights 4·quad .. 4·quad + 3 of a row by `unitScale`: eighths from −1 to 7/8, exact in f16. */
fn unit4(row: u32, quad: u32) -> vec4f {
  let word = w[row * p.stride + quad / 8u][(quad / 2u) % 4u];
  return 0.125 * nibbles(word >> ((quad & 1u) * 16u));
}

fn unitScale(row: u32, group: u32) -> f32 {
  return UNIT * groupScale(row, group);
}

/** The 32 weights of a group: word s has weights 8·s .. 8·s + 7. */
struct Group {
  words: vec4u,
}

fn groupOf(row: u32, group: u32) -> Group {
  return Group(w[row * p.stride + group]);
}

/** Weights k, 8 + k, 16 + k and 24 + k of a group by its scale. */
fn across(group: Group, k: u32) -> vec4f {
  return vec4f((group.words >> vec4u(4u * k)) & vec4u(15u)) - 8.0;
}

/** The same by `unitScale`. */
fn unitAcross(group: Group, k: u32) -> vec4f {
  return 0.125 * across(group, k);
}
