/** What one core does at most, for benches: twelve sums that do not wait for each other, and a copy. */

/** `loops` times twelve multiplications and additions on four lanes. */
export function multiplyAdds(loops: i32): f32 {
  const a = f32x4.splat(0.999);
  const b = f32x4.splat(0.5);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(1);
  let s2 = f32x4.splat(2);
  let s3 = f32x4.splat(3);
  let s4 = f32x4.splat(4);
  let s5 = f32x4.splat(5);
  let s6 = f32x4.splat(6);
  let s7 = f32x4.splat(7);
  let s8 = f32x4.splat(8);
  let s9 = f32x4.splat(9);
  let s10 = f32x4.splat(10);
  let s11 = f32x4.splat(11);
  for (let i = 0; i < loops; i++) {
    s0 = f32x4.add(f32x4.mul(s0, a), b);
    s1 = f32x4.add(f32x4.mul(s1, a), b);
    s2 = f32x4.add(f32x4.mul(s2, a), b);
    s3 = f32x4.add(f32x4.mul(s3, a), b);
    s4 = f32x4.add(f32x4.mul(s4, a), b);
    s5 = f32x4.add(f32x4.mul(s5, a), b);
    s6 = f32x4.add(f32x4.mul(s6, a), b);
    s7 = f32x4.add(f32x4.mul(s7, a), b);
    s8 = f32x4.add(f32x4.mul(s8, a), b);
    s9 = f32x4.add(f32x4.mul(s9, a), b);
    s10 = f32x4.add(f32x4.mul(s10, a), b);
    s11 = f32x4.add(f32x4.mul(s11, a), b);
  }
  const low = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  const middle = f32x4.add(f32x4.add(s4, s5), f32x4.add(s6, s7));
  const high = f32x4.add(f32x4.add(s8, s9), f32x4.add(s10, s11));
  return f32x4.extract_lane(f32x4.add(low, f32x4.add(middle, high)), 0);
}

export function copyBytes(to: usize, from: usize, bytes: usize): void {
  memory.copy(to, from, bytes);
}
