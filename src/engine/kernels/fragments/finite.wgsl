// Numbers that left the finite range: takes the place of the line `//@finite`. Told from their bits, because compilers may take
// comparisons for granted that only NaN fails.

const EXPONENT = 0x7f800000u;
const QUIET_NAN = 0x7fc00000u;

fn isFinite(value: f32) -> bool {
  return (bitcast<u32>(value) & EXPONENT) != EXPONENT;
}

/** 0 for a finite number, NaN for another: added to a result, it keeps what overflowed from passing for a number. */
fn poison(value: f32) -> f32 {
  return bitcast<f32>(select(QUIET_NAN, 0u, isFinite(value)));
}
