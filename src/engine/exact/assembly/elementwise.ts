/** What is done to numbers one by one, four at a time. Every array has room for whole vectors behind its end. */
import { sigmoid4 } from './exp';

/** out = x + y */
export function add(out: usize, x: usize, y: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(out, f32x4.add(v128.load(x), v128.load(y)));
    out += 16;
    x += 16;
    y += 16;
  }
  for (; i < n; i++) {
    store<f32>(out, load<f32>(x) + load<f32>(y));
    out += 4;
    x += 4;
    y += 4;
  }
}

/** y += s · x */
export function addScaled(y: usize, x: usize, s: f32, n: i32): void {
  const scale = f32x4.splat(s);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, f32x4.add(v128.load(y), f32x4.mul(scale, v128.load(x))));
    y += 16;
    x += 16;
  }
  for (; i < n; i++) {
    store<f32>(y, load<f32>(y) + s * load<f32>(x));
    y += 4;
    x += 4;
  }
}

/** out = s · x */
export function scale(out: usize, x: usize, s: f32, n: i32): void {
  const factor = f32x4.splat(s);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(out, f32x4.mul(factor, v128.load(x)));
    out += 16;
    x += 16;
  }
  for (; i < n; i++) {
    store<f32>(out, s * load<f32>(x));
    out += 4;
    x += 4;
  }
}

/** act = gate · σ(gate) · up. @param sigma where σ(gate) is kept for the backward; 0: nowhere */
export function swigluForward(act: usize, gate: usize, up: usize, sigma: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const g = v128.load(gate);
    const s = sigmoid4(g);
    v128.store(act, f32x4.mul(f32x4.mul(g, s), v128.load(up)));
    if (sigma) {
      v128.store(sigma, s);
      sigma += 16;
    }
    act += 16;
    gate += 16;
    up += 16;
  }
  for (; i < n; i++) {
    const g = load<f32>(gate);
    const s = f32x4.extract_lane(sigmoid4(f32x4.splat(g)), 0);
    store<f32>(act, g * s * load<f32>(up));
    if (sigma) {
      store<f32>(sigma, s);
      sigma += 4;
    }
    act += 4;
    gate += 4;
    up += 4;
  }
}

@inline
function slope4(g: v128, sigma: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.mul(sigma, f32x4.add(one, f32x4.mul(g, f32x4.sub(one, sigma))));
}

/** Gradients of gate and up. */
export function swigluBackward(dgate: usize, dup: usize, dact: usize, gate: usize, up: usize, sigma: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const g = v128.load(gate);
    const d = v128.load(dact);
    const s = v128.load(sigma);
    v128.store(dup, f32x4.mul(d, f32x4.mul(g, s)));
    v128.store(dgate, f32x4.mul(f32x4.mul(d, v128.load(up)), slope4(g, s)));
    dgate += 16;
    dup += 16;
    dact += 16;
    gate += 16;
    up += 16;
    sigma += 16;
  }
  for (; i < n; i++) {
    const g = load<f32>(gate);
    const d = load<f32>(dact);
    const s = load<f32>(sigma);
    store<f32>(dup, d * (g * s));
    store<f32>(dgate, d * load<f32>(up) * f32x4.extract_lane(slope4(f32x4.splat(g), f32x4.splat(s)), 0));
    dgate += 4;
    dup += 4;
    dact += 4;
    gate += 4;
    up += 4;
    sigma += 4;
  }
}

/**
 * Rotates x[T, heads, 2·half] in place by the angles of positions start, start + 1, …; tables [positions, half].
 * @param direction 1, or −1 for the gradient
 */
export function rotate(x: usize, cos: usize, sin: usize, T: i32, start: i32, heads: i32, half: i32, direction: f32): void {
  const bytes = (<usize>half) << 2;
  const sign = f32x4.splat(direction);
  for (let t = 0; t < T; t++) {
    const at = <usize>(start + t) * bytes;
    for (let h = 0; h < heads; h++) {
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) {
        const c = v128.load(cos + at + i);
        const s = f32x4.mul(sign, v128.load(sin + at + i));
        const a = v128.load(x + i);
        const b = v128.load(x + bytes + i);
        v128.store(x + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
        v128.store(x + bytes + i, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
      }
      for (; i < bytes; i += 4) {
        const c = load<f32>(cos + at + i);
        const s = direction * load<f32>(sin + at + i);
        const a = load<f32>(x + i);
        const b = load<f32>(x + bytes + i);
        store<f32>(x + i, a * c - b * s);
        store<f32>(x + bytes + i, b * c + a * s);
      }
      x += 2 * bytes;
    }
  }
}

/** y[T, O] += bias[O] */
export function addBias(y: usize, bias: usize, T: i32, O: i32): void {
  for (let t = 0; t < T; t++) {
    add(y, y, bias, O);
    y += (<usize>O) << 2;
  }
}
