// Keys and values kept as f16, two in a word, the first in its lower half: takes the place of the line `//@cache` in a kernel, as
// cache_f32 does. Needs no feature of the device. A number that does not fit f16 becomes its largest, since what
// pack2x16float makes of it is not defined. Infinity and NaN become NaN: they must not come back as numbers.

alias StoredPair = u32;
alias StoredQuad = vec2u;

//@half
//@finite

const NAN_F16 = 0x7e00u;

fn pairOf(stored: StoredPair) -> vec2f {
  return unpack2x16float(stored);
}

fn quadOf(stored: StoredQuad) -> vec4f {
  return vec4f(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn storedPair(values: vec2f) -> StoredPair {
  let kept = clamp(values, vec2f(-LARGEST_F16), vec2f(LARGEST_F16));
  let word = pack2x16float(vec2f(asF16(kept.x), asF16(kept.y)));
  let low = select(NAN_F16, word & 0xffffu, isFinite(values.x));
  let high = select(NAN_F16, word >> 16u, isFinite(values.y));
  return low | (high << 16u);
}

/** How many of two numbers are too large for the format: finite, beyond its largest. */
fn cutOff(values: vec2f) -> u32 {
  let x = select(0u, 1u, isFinite(values.x) && abs(values.x) > LARGEST_F16);
  let y = select(0u, 1u, isFinite(values.y) && abs(values.y) > LARGEST_F16);
  return x + y;
}
