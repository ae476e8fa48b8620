// Rounding to f16, the same on every device.

const LARGEST_F16 = 65504.0;
/** Below it f16 numbers are subnormal. */
const SMALLEST_F16 = 0x1p-14;

/**
 * The f16 nearest to a number of at most LARGEST_F16, ties to even, subnormal ones as zero: as it is stored. In whole numbers, because
 * quantizeToF16 may cut off (SwiftShader's does), and packing and unpacking may be taken for doing nothing (Mesa does).
 */
fn asF16(value: f32) -> f32 {
  if (abs(value) < SMALLEST_F16) {
    return 0.0;
  }
  let bits = bitcast<u32>(value);
  return bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
}
