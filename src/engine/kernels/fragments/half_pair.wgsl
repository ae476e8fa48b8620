// Two numbers as f16 in a word, the first in its lower half: takes the place of the line `//@half_pair`. Brings `//@half` and
// `//@finite`. A number that does not fit f16 becomes its largest, since what pack2x16float makes of it is not defined. Infinity and NaN
// become NaN: they must not come back as numbers.

//@half
//@finite

const NAN_F16 = 0x7e00u;

fn halfPair(values: vec2f) -> u32 {
  let kept = clamp(values, vec2f(-LARGEST_F16), vec2f(LARGEST_F16));
  let word = pack2x16float(vec2f(asF16(kept.x), asF16(kept.y)));
  let low = select(NAN_F16, word & 0xffffu, isFinite(values.x));
  let high = select(NAN_F16, word >> 16u, isFinite(values.y));
  return low | (high << 16u);
}
