// Reading a frozen matrix [OUT, IN] kept as int8 in groups of 32 along IN: takes the place of the line `//@weights` in a kernel
// whose binding is `w: array<vec4u>` and whose Params have
//   stride  vec4u of one row: 2 · groups, groups = ⌈IN / 32⌉
//   scales  index of the first word (u32) of the scales
//
// Layout: weight i of a row in byte i % 16 of the row's vec4u i / 16, two's complement; the scale of group g of a row is half
// g % 2 of word scales + row · ⌈groups / 2⌉ + g / 2. A weight is byte · scale.
// Scales are stored 64 times as large: f16 numbers below 2^-14 might be read as zero.

/** A weight by `unitScale` is its multiple of this one's inverse. */
const UNIT = 128.0;

fn groupScale(row: u32, group: u32) -> f32 {
  let at = p.scales + row * ((p.stride / 2u + 1u) / 2u) + group / 2u;
  let both = unpack2x16float(w[at / 4u][at % 4u]);
  return select(both.x, both.y, (group & 1u) == 1u) * 0x1p-6;
}

/** Four bytes of a word, sign-extended. */
fn signedBytes(word: u32) -> vec4f {
  return vec4f((vec4i(i32(word)) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u));
}

/** Weights 4·quad .. 4·quad + 3 of a row. */
fn weight4(row: u32, quad: u32) -> vec4f {
  return groupScale(row, quad / 8u) * signedBytes(w[row * p.stride + quad / 4u][quad % 4u]);
}

/** Weights 8·oct .. 8·oct + 7 of a row; those past IN are zero. */
fn weight8(row: u32, oct: u32) -> mat2x4f {
  let words = w[row * p.stride + oct / 2u];
  let pair = select(words.xy, words.zw, (oct & 1u) == 1u);
  let scale = groupScale(row, oct / 4u);
  return mat2x4f(scale * signedBytes(pair.x), scale * signedBytes(pair.y));
}

/** Weights 4·quad .. 4·quad + 3 of a row by `unitScale`: 128ths between −1 and 1, exact in f16. */
fn unit4(row: u32, quad: u32) -> vec4f {
  return 0.0078125 * signedBytes(w[row * p.stride + quad / 4u][quad % 4u]);
}

fn unitScale(row: u32, group: u32) -> f32 {
  return UNIT * groupScale(row, group);
}

/** The 32 weights of a group: word s has weights 8·s .. 8·s + 3 in `low`, the four behind them in `high`. */
struct Group {
  low: vec4u,
  high: vec4u,
}

fn groupOf(row: u32, group: u32) -> Group {
  let at = row * p.stride + 2u * group;
  let first = w[at];
  let second = w[at + 1u];
  return Group(vec4u(first.xz, second.xz), vec4u(first.yw, second.yw));
}

/** Weights k, 8 + k, 16 + k and 24 + k of a group by its scale. */
fn across(group: Group, k: u32) -> vec4f {
  let words = select(group.low, group.high, k >= 4u);
  return vec4f(vec4i(words << vec4u(24u - 8u * (k % 4u))) >> vec4u(24u));
}

/** The same by `unitScale`. */
fn unitAcross(group: Group, k: u32) -> vec4f {
  return 0.0078125 * across(group, k);
}
