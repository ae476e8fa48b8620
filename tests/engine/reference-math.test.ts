import { describe, expect, it } from 'vitest';
import { cos32, cosPi, exp32, log32, pow64, powInteger, sigmoid32, sin32 } from '../../src/engine/math';
import { matmulAdd, matmulOuterAdd, matmulTransposed } from '../../src/engine/reference/matmul';
import { ropeFrequencies } from '../../src/engine/reference/rope';
import { drawUniform } from '../../src/random';
import { readGolden, relativeErrors } from './golden';

/** Distance of two neighbouring f32 numbers around x. */
function ulp(x: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(x) || Number.MIN_VALUE)));
  return 2 ** (exponent - 23);
}

/** Largest error in ulp of `f` against a 64-bit function over n draws from lo..hi. */
function worst(f: (x: number) => number, exact: (x: number) => number, lo: number, hi: number, n = 50_000): number {
  let error = 0;
  for (let i = 0; i < n; i++) {
    const x = Math.fround(lo + (hi - lo) * drawUniform({ seed: 1, stream: 0 }, i));
    error = Math.max(error, Math.abs(f(x) - exact(x)) / ulp(exact(x)));
  }
  return error;
}

describe('elementary functions in 32 bits', () => {
  // Half an ulp is the best there is; what is above it is the error of the 64-bit value before rounding.
  const BOUND = 0.501;

  it('exp is correctly rounded but for near-ties, subnormal results included', () => {
    expect(worst(exp32, Math.exp, -87, 88)).toBeLessThan(BOUND);
    expect(worst(exp32, Math.exp, -1, 1)).toBeLessThan(BOUND);
    expect(worst(exp32, Math.exp, -103, -87)).toBeLessThan(BOUND);
    expect([exp32(0), exp32(-200), exp32(-Infinity), exp32(100), exp32(NaN)]).toEqual([1, 0, 0, Infinity, NaN]);
  });

  it('log is', () => {
    expect(worst(log32, Math.log, 1e-30, 1)).toBeLessThan(BOUND);
    expect(worst(log32, Math.log, 0.9, 1.1)).toBeLessThan(BOUND);
    expect(worst(log32, Math.log, 1, 1e30)).toBeLessThan(BOUND);
    expect([log32(1), log32(0), log32(-1), log32(Infinity)]).toEqual([0, -Infinity, NaN, Infinity]);
  });

  it('sin and cos are, up to angles of long contexts', () => {
    for (const range of [1, 10, 40_000]) {
      expect(worst(sin32, Math.sin, -range, range)).toBeLessThan(BOUND);
      expect(worst(cos32, Math.cos, -range, range)).toBeLessThan(BOUND);
    }
    expect([sin32(0), cos32(0)]).toEqual([0, 1]);
  });

  it('sigmoid is within 2.5 ulp', () => {
    expect(worst(sigmoid32, (x) => 1 / (1 + Math.exp(-x)), -20, 20)).toBeLessThan(2.5);
  });

  it('powers and cos πx hold to 1e-13', () => {
    for (const [a, b] of [
      [1e6, 0.37],
      [10_000, -0.9],
      [500_000, 1 / 64],
      [2, 0.5],
    ]) {
      expect(Math.abs(pow64(a, b) / a ** b - 1)).toBeLessThan(1e-13);
    }
    for (const n of [0, 1, 2, 7, 100, 4999])
      expect(Math.abs(powInteger(0.999, n) / 0.999 ** n - 1)).toBeLessThan(1e-12);
    for (const x of [0, 0.1, 0.5, 0.75, 1]) expect(Math.abs(cosPi(x) - Math.cos(Math.PI * x))).toBeLessThan(1e-13);
  });
});

describe('matrix products', () => {
  const random = (length: number, problem: number): Float32Array =>
    Float32Array.from({ length }, (_, i) => drawUniform({ seed: 2, stream: 0, problem }, i) - 0.5);

  it.each([
    [1, 1, 1],
    [1, 7, 5],
    [2, 13, 4],
    [5, 3, 9],
    [6, 32, 17],
  ])('agree with 64-bit sums (T=%i, I=%i, O=%i)', (T, I, O) => {
    const x = random(T * I, 1);
    const w = random(O * I, 2);
    const y = random(T * O, 3);
    const sum = (n: number, term: (k: number) => number): number => {
      let total = 0;
      for (let k = 0; k < n; k++) total += term(k);
      return total;
    };
    const grid = (rows: number, columns: number, value: (r: number, c: number) => number): number[] =>
      Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns));

    const forward = grid(T, O, (t, o) => sum(I, (i) => x[t * I + i] * w[o * I + i]));
    const out = new Float32Array(T * O);
    matmulTransposed(out, x, w, T, I, O);
    expect(relativeErrors(out, forward).max).toBeLessThan(1e-6);

    const dx = x.slice();
    matmulAdd(dx, y, w, T, O, I);
    const dxWanted = grid(T, I, (t, i) => x[t * I + i] + sum(O, (o) => y[t * O + o] * w[o * I + i]));
    expect(relativeErrors(dx, dxWanted).max).toBeLessThan(1e-6);

    const dw = w.slice();
    matmulOuterAdd(dw, y, x, T, O, I);
    const dwWanted = grid(O, I, (o, i) => w[o * I + i] + sum(T, (t) => y[t * O + o] * x[t * I + i]));
    expect(relativeErrors(dw, dwWanted).max).toBeLessThan(1e-6);
  });

  it('give a row the same bits whatever rows are beside it', () => {
    const [T, I, O] = [7, 33, 10];
    const x = random(T * I, 4);
    const w = random(O * I, 5);
    const all = new Float32Array(T * O);
    matmulTransposed(all, x, w, T, I, O);
    for (let t = 0; t < T; t++) {
      const one = new Float32Array(O);
      matmulTransposed(one, x.subarray(t * I), w, 1, I, O);
      expect(one).toEqual(all.slice(t * O, (t + 1) * O));
    }
  });
});

describe('RoPE frequencies', () => {
  it('scale as Llama 3 does: short waves kept, long ones divided, a ramp between', async () => {
    const { config } = (await readGolden('llama')).weights;
    const plain = ropeFrequencies({ ...config, ropeScaling: null });
    const scaled = ropeFrequencies(config);
    const factors = Array.from(scaled, (frequency, i) => plain[i] / frequency);
    expect(factors[0]).toBe(1);
    expect(factors[1]).toBeGreaterThan(1);
    expect(factors[1]).toBeLessThan(8);
    for (const factor of factors.slice(2)) expect(factor).toBeCloseTo(8, 5);
  });
});
