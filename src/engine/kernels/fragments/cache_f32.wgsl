// Keys and values kept as f32: takes the place of the line `//@cache` in a kernel. A vector of them in memory is a StoredPair
// or a StoredQuad; functions say what they mean, and what is stored of two numbers. Brings `//@finite`, as cache_f16 does.

alias StoredPair = vec2f;
alias StoredQuad = vec4f;

//@finite

fn pairOf(stored: StoredPair) -> vec2f {
  return stored;
}

fn quadOf(stored: StoredQuad) -> vec4f {
  return stored;
}

fn storedPair(values: vec2f) -> StoredPair {
  return values;
}

/** How many of two numbers are too large for the format. */
fn cutOff(values: vec2f) -> u32 {
  return 0u;
}
