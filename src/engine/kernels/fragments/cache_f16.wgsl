// Keys and values kept as f16, two in a word, the first in its lower half: takes the place of the line `//@cache` in a kernel, as
// cache_f32 does. Needs no feature of the device. What does not fit is said in half_pair.

alias StoredPair = u32;
alias StoredQuad = vec2u;

//@half_pair

fn pairOf(stored: StoredPair) -> vec2f {
  return unpack2x16float(stored);
}

fn quadOf(stored: StoredQuad) -> vec4f {
  return vec4f(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn storedPair(values: vec2f) -> StoredPair {
  return halfPair(values);
}

/** How many of two numbers are too large for the format: finite, beyond its largest. */
fn cutOff(values: vec2f) -> u32 {
  let x = select(0u, 1u, isFinite(values.x) && abs(values.x) > LARGEST_F16);
  let y = select(0u, 1u, isFinite(values.y) && abs(values.y) > LARGEST_F16);
  return x + y;
}
