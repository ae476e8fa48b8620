/** Merging adapters: examples worked by hand, and properties on random ones. */
import { describe, expect, it } from 'vitest';
import { deltasOf, factorise, type Delta } from '../../src/engine/merge/deltas';
import { mergeLinear } from '../../src/engine/merge/linear';
import { RegMean } from '../../src/engine/merge/regMean';
import { mergeAdapters } from '../../src/engine/merge/rules';
import { emrOf, mergeEmr, mergeTies, tiesOf } from '../../src/engine/merge/signs';
import { HEAD_TENSOR } from '../../src/engine/peft';
import type { AdapterWeights, Grams } from '../../src/engine/types';
import { drawUniform } from '../../src/random';

const Q = 'base_model.model.model.layers.0.self_attn.q_proj';
const V = 'base_model.model.model.layers.0.self_attn.v_proj';
const MATRICES = { q_proj: Q, v_proj: V } as const;

/** An adapter on one matrix [out, in] with the given A and B, row by row. */
function adapterOf(target: keyof typeof MATRICES, a: number[][], b: number[][], alpha = a.length): AdapterWeights {
  const tensor = (rows: number[][]) => ({
    shape: [rows.length, rows[0]!.length],
    data: Float32Array.from(rows.flat()),
  });
  return {
    config: { rank: a.length, alpha, targets: [target] },
    tensors: new Map([
      [`${MATRICES[target]}.lora_A.weight`, tensor(a)],
      [`${MATRICES[target]}.lora_B.weight`, tensor(b)],
    ]),
  };
}

function random(seed: number, rows: number, columns: number): number[][] {
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => drawUniform({ seed, stream: 9, problem: i }, j) - 0.5),
  );
}

const numbers = (adapter: AdapterWeights, name: string): number[] => Array.from(deltasOf(adapter).get(name)!.data);
const vector = (...values: number[]): Float64Array => Float64Array.from(values);
function expectNear(actual: Iterable<number>, wanted: Iterable<number>, bound = 1e-6): void {
  const [left, right] = [[...actual], [...wanted]];
  expect(left.length).toBe(right.length);
  left.forEach((value, i) => expect(Math.abs(value - right[i]!), `entry ${i}`).toBeLessThan(bound));
}

describe('task arithmetic', () => {
  it('adds what two adapters add, with their scalings', () => {
    // ΔW of the first: 4/1 · [1 2]ᵀ[1 0 1] = [4 0 4; 8 0 8]; of the second: 2/2 · I·[0 1 0; 1 0 0] = [0 1 0; 1 0 0].
    const first = adapterOf('q_proj', [[1, 0, 1]], [[1], [2]], 4);
    const second = adapterOf(
      'q_proj',
      [
        [0, 1, 0],
        [1, 0, 0],
      ],
      [
        [1, 0],
        [0, 1],
      ],
      2,
    );
    const merged = mergeLinear([
      { adapter: first, coefficient: 0.5 },
      { adapter: second, coefficient: -3 },
    ]);
    expect(merged.config).toEqual({ rank: 3, alpha: 3, targets: ['q_proj'] });
    expect(numbers(merged, Q)).toEqual([2, -3, 2, 1, 0, 4]);
  });

  it('leaves a projection that only one adapter has to that one, and reads rank-stabilised scalings', () => {
    const first = adapterOf('q_proj', [[1, 2]], [[3]]);
    const second = adapterOf(
      'v_proj',
      [
        [1, 1],
        [2, 2],
        [0, 0],
        [0, 0],
      ],
      [[1, 1, 0, 0]],
      6,
    );
    second.config.rslora = true;
    const merged = mergeLinear([
      { adapter: first, coefficient: 1 },
      { adapter: second, coefficient: 2 },
    ]);
    expect(merged.config.targets).toEqual(['q_proj', 'v_proj']);
    expect(numbers(merged, Q)).toEqual([3, 6]);
    // 2 · 6/√4 · ([1 1] + [2 2])
    expect(numbers(merged, V)).toEqual([18, 18]);
  });

  it('adds heads, and refuses them where only some have one, as it does other models and no numbers', () => {
    const [one, other] = [adapterOf('q_proj', [[1, 2]], [[3]]), adapterOf('q_proj', [[1, 2]], [[3]])];
    one.config.head = true;
    one.tensors.set(HEAD_TENSOR, { shape: [1, 2], data: Float32Array.of(1, -2) });
    const merged = mergeLinear([
      { adapter: one, coefficient: 1 },
      { adapter: one, coefficient: -0.5 },
    ]);
    expect(merged.config.head).toBe(true);
    expect([...merged.tensors.get(HEAD_TENSOR)!.data]).toEqual([0.5, -1]);
    expect(() =>
      mergeLinear([
        { adapter: one, coefficient: 1 },
        { adapter: other, coefficient: 1 },
      ]),
    ).toThrow(/only some/);
    expect(() => mergeLinear([])).toThrow(/no adapter/);
    expect(() => mergeLinear([{ adapter: other, coefficient: NaN }])).toThrow(/adapter 1 has the coefficient NaN/);
    const wider = adapterOf('q_proj', [[1, 2, 3]], [[3]]);
    expect(() =>
      mergeLinear([
        { adapter: other, coefficient: 1 },
        { adapter: wider, coefficient: 1 },
      ]),
    ).toThrow(/one model/);
  });
});

describe('an adapter of a smaller rank', () => {
  it('keeps the largest singular values and says what it lost', () => {
    // Singular values 4, 3 and 0 of a turned diagonal; rank 1 keeps the 4 and loses 3 of √(16 + 9).
    const c = Math.SQRT1_2;
    const delta: Delta = { rows: 2, columns: 3, data: vector(4 * c, 4 * c, 0, -3 * c, 3 * c, 0) };
    const { adapter, lost } = factorise(new Map([[Q, delta]]), 1);
    expect(lost).toBeCloseTo(3 / 5, 6);
    expect(adapter.config).toEqual({ rank: 1, alpha: 1, targets: ['q_proj'] });
    expectNear(numbers(adapter, Q), [4 * c, 4 * c, 0, 0, 0, 0]);
    expect(factorise(new Map([[Q, delta]]), 2).lost).toBeLessThan(1e-6);
  });

  it('gives back what has that rank, ties, zeros and more ranks than rows included', () => {
    const merged = mergeLinear([
      { adapter: adapterOf('q_proj', random(1, 3, 20), random(2, 17, 3)), coefficient: 0.7 },
      { adapter: adapterOf('q_proj', random(3, 2, 20), random(4, 17, 2)), coefficient: -0.4 },
    ]);
    for (const rank of [5, 6, 30]) {
      const { adapter, lost } = factorise(deltasOf(merged), rank);
      expect(lost).toBeLessThan(1e-6);
      expectNear(numbers(adapter, Q), numbers(merged, Q));
    }
    expect(factorise(deltasOf(merged), 4).lost).toBeGreaterThan(0.01);
    const identity = { rows: 3, columns: 3, data: vector(1, 0, 0, 0, 1, 0, 0, 0, 1) };
    expect(factorise(new Map([[Q, identity]]), 2).lost).toBeCloseTo(Math.sqrt(1 / 3), 6);
    expect(factorise(new Map([[Q, { rows: 2, columns: 2, data: new Float64Array(4) }]]), 1).lost).toBe(0);
  });
});

describe('TIES', () => {
  it('trims, elects a sign and averages those that agree', () => {
    const vectors = [vector(5, -1, 4, 0.5, 0), vector(3, 6, -4.5, 0.1, 0), vector(-0.2, 7, 1, -0.3, 0)];
    // Of 5 entries 2 are kept (40 %): [5 · 4 · ·], [· 6 −4.5 · ·], [· 7 1 · ·]. Sums: 5, 13, 0.5. The third entry is +: (4 + 1)/2.
    expectNear(tiesOf(vectors, 0.4), [5, 6.5, 2.5, 0, 0], 1e-12);
    // All kept: sums 7.8, 12, 0.5, 0.3, 0.
    expectNear(tiesOf(vectors, 1), [4, 6.5, 2.5, 0.3, 0], 1e-12);
  });

  it('gives an entry whose sum is 0 the sign that most entries have', () => {
    expectNear(tiesOf([vector(2, -1, -1), vector(-2, -1, -3)], 1), [-2, -1, -2], 1e-12);
    expectNear(tiesOf([vector(2, 1, 1), vector(-2, 1, 3)], 1), [2, 1, 2], 1e-12);
  });

  it('makes an adapter of the merged matrices, and of one adapter itself', () => {
    const one = adapterOf('q_proj', random(5, 2, 6), random(6, 5, 2));
    const alone = mergeTies([one], { density: 1, scale: 1, rank: 2 });
    expect(alone.lost).toBeLessThan(1e-6);
    expectNear(numbers(alone.adapter, Q), numbers(one, Q));
    const two = adapterOf('q_proj', random(7, 2, 6), random(8, 5, 2));
    const full = mergeTies([one, two], { density: 0.5, scale: 0.8, rank: 5 });
    const wanted = tiesOf([vector(...numbers(one, Q)), vector(...numbers(two, Q))], 0.5).map((value) => 0.8 * value);
    expectNear(numbers(full.adapter, Q), wanted);
    expect(mergeTies([one, two], { density: 0.5, scale: 0.8, rank: 1 }).lost).toBeGreaterThan(0.1);
    expect(() => mergeTies([one], { density: 0, scale: 1, rank: 2 })).toThrow(/density is 0/);
    expect(() => mergeTies([], { density: 1, scale: 1, rank: 2 })).toThrow(/no adapter/);
  });
});

describe('EMR', () => {
  it('unifies the largest agreeing magnitudes, masks and rescales', () => {
    // Sums 1, −3, 0, 6: signs + − 0 +. Unified: 3, −2, 0, 4.
    const { unified, agents } = emrOf([vector(3, -2, 1, 2), vector(-2, -1, -1, 4)]);
    expectNear(unified, [3, -2, 0, 4], 1e-12);
    // First: mask 1 1 0 1, |3| + |2| + |4| = 9, own mass 8. Second: mask 0 1 0 1, mass 6, own mass 8.
    expectNear(agents[0]!, [24 / 9, -16 / 9, 0, 32 / 9], 1e-12);
    expectNear(agents[1]!, [0, (-2 * 8) / 6, 0, (4 * 8) / 6], 1e-12);
  });

  it('gives one adapter back as it was', () => {
    const one = adapterOf('v_proj', random(9, 2, 4), random(10, 4, 2));
    const { unified, agents } = mergeEmr([one], 2);
    expectNear(numbers(unified.adapter, V), numbers(one, V));
    expectNear(numbers(agents[0]!.adapter, V), numbers(one, V));
  });
});

describe('rules by name', () => {
  // ΔW of the first is [3 0; 0 1], of the second [1 0; 0 −2].
  const diagonal = (x: number, y: number) =>
    adapterOf(
      'q_proj',
      [
        [1, 0],
        [0, 1],
      ],
      [
        [x, 0],
        [0, y],
      ],
    );
  const parts = [diagonal(3, 1), diagonal(1, -2)];

  it('give what the rules give', async () => {
    const linear = await mergeAdapters(parts, { kind: 'task-arithmetic', scale: 0.5 });
    expectNear(numbers(linear.adapter, Q), [2, 0, 0, -0.5]);
    expect(linear.lost).toBe(0);
    // Signs + and −: the mean of 3 and 1, and −2 alone; times 0.5.
    const ties = await mergeAdapters(parts, { kind: 'ties', density: 1, scale: 0.5, rank: 2 });
    expectNear(numbers(ties.adapter, Q), [1, 0, 0, -1]);
    // Unified [3 0; 0 −2]. The second agrees with both: its mass 3 over 5. The first agrees with the 3 alone: 4 over 3.
    const [first, second] = await Promise.all([0, 1].map((of) => mergeAdapters(parts, { kind: 'emr', of, rank: 2 })));
    expectNear(numbers(first!.adapter, Q), [4, 0, 0, 0]);
    expectNear(numbers(second!.adapter, Q), [1.8, 0, 0, -1.2]);
  });

  it('say what a rank cannot hold, and refuse what is not there', async () => {
    // Of [1 0; 0 −1] rank 1 holds one of two equal singular values: 1/√2 of the norm is lost.
    const { lost } = await mergeAdapters(parts, { kind: 'ties', density: 1, scale: 0.5, rank: 1 });
    expect(lost).toBeCloseTo(Math.SQRT1_2, 6);
    await expect(mergeAdapters(parts, { kind: 'emr', of: 2, rank: 1 })).rejects.toThrow(/no adapter 3 among the 2/);
    await expect(mergeAdapters([], { kind: 'task-arithmetic', scale: 1 })).rejects.toThrow(/no adapter to merge/);
  });
});

describe('RegMean', () => {
  const mergeRegMean = (parts: readonly { adapter: AdapterWeights; grams: Grams }[], offDiagonal: number) => {
    const mean = new RegMean(offDiagonal);
    for (const { adapter, grams } of parts) mean.add(adapter, grams);
    return mean.merged();
  };
  const gram = (...rows: number[][]): Grams => [
    { attention: { width: rows.length, data: Float64Array.from(rows.flat()) } },
  ];

  it('weighs what adapters add by what they read', async () => {
    // ΔW₁ = [1 2], G₁ = [2 1; 1 1]; ΔW₂ = [3 0], G₂ = I. Σ ΔW G = [4 3] + [3 0] = [7 3]; (Σ G)⁻¹ = [3 1; 1 2]⁻¹ = [2 −1; −1 3] / 5.
    const parts = [
      { adapter: adapterOf('q_proj', [[1, 2]], [[1]]), grams: gram([2, 1], [1, 1]) },
      { adapter: adapterOf('q_proj', [[1, 0]], [[1]], 3), grams: gram([1, 0], [0, 1]) },
    ];
    const merged = mergeRegMean(parts, 1);
    expect(merged.config).toEqual({ rank: 2, alpha: 2, targets: ['q_proj'] });
    expectNear(numbers(merged, Q), [11 / 5, 2 / 5]);
    // Without the entries beside the diagonal each feature is a mean: (1·2 + 3·1) / 3 and (2·1 + 0·1) / 2.
    expectNear(numbers(mergeRegMean(parts, 0), Q), [5 / 3, 1]);
    // By half: Σ ΔW G = [3 2.5] + [3 0]; [3 0.5; 0.5 2]⁻¹ = [2 −0.5; −0.5 3] / 5.75.
    expectNear(numbers(mergeRegMean(parts, 0.5), Q), [10.75 / 5.75, 4.5 / 5.75]);
    // As a rule, by name.
    const adapters = parts.map(({ adapter }) => adapter);
    const rule = { kind: 'regmean', offDiagonal: 1 } as const;
    const byRule = await mergeAdapters(adapters, rule, async (index) => parts[index]!.grams);
    expect(byRule).toEqual({ adapter: merged, lost: 0 });
    await expect(mergeAdapters(adapters, rule)).rejects.toThrow(
      /no Gram matrix of the inputs of .*q_proj, which has 2/,
    );
  });

  it('leaves an adapter as it is where all are alike, and averages features that nobody read', () => {
    const first = adapterOf('q_proj', [[1, 4]], [[1], [-2]]);
    const alike = [gram([3, 1], [1, 2]), gram([5, -1], [-1, 1])].map((grams) => ({ adapter: first, grams }));
    expectNear(numbers(mergeRegMean(alike, 0.9), Q), [1, 4, -2, -8]);
    const second = adapterOf('q_proj', [[5, 2]], [[1], [1]]);
    const parts = [
      { adapter: first, grams: gram([3, 0], [0, 0]) },
      { adapter: second, grams: gram([1, 0], [0, 0]) },
    ];
    // Feature 1: (3·1 + 5) / 4 and (3·−2 + 5) / 4. Feature 2, which nobody read: (4 + 2) / 2 and (−8 + 2) / 2.
    expectNear(numbers(mergeRegMean(parts, 1), Q), [2, 3, -0.25, -3]);
    // Who read nothing at all counts for nothing.
    const idle = [
      { adapter: first, grams: gram([0, 0], [0, 0]) },
      { adapter: second, grams: gram([1, 0.5], [0.5, 1]) },
    ];
    expectNear(numbers(mergeRegMean(idle, 0.9), Q), [5, 2, 5, 2]);
  });

  it('is the least squares of all outputs, in float64', () => {
    const [width, outputs] = [5, 3];
    const parts = [1, 2, 3].map((seed) => ({
      adapter: adapterOf('q_proj', random(seed, 2, width), random(10 + seed, outputs, 2), 6),
      inputs: random(20 + seed, 9, width),
    }));
    const gramOf = (inputs: number[][]): Grams =>
      gram(
        ...Array.from({ length: width }, (_, i) =>
          Array.from({ length: width }, (_, j) => inputs.reduce((sum, x) => sum + x[i]! * x[j]!, 0)),
        ),
      );
    const merged = numbers(
      mergeRegMean(
        parts.map(({ adapter, inputs }) => ({ adapter, grams: gramOf(inputs) })),
        1,
      ),
      Q,
    );
    const deltas = parts.map(({ adapter }) => numbers(adapter, Q));
    // At the least squares the slope Σᵢ (ΔW − ΔWᵢ) Gᵢ is 0 in every entry.
    for (let o = 0; o < outputs; o++) {
      for (let j = 0; j < width; j++) {
        let slope = 0;
        parts.forEach(({ inputs }, i) => {
          for (const x of inputs)
            for (let k = 0; k < width; k++)
              slope += (merged[o * width + k]! - deltas[i]![o * width + k]!) * x[k]! * x[j]!;
        });
        expect(Math.abs(slope), `entry ${o}, ${j}`).toBeLessThan(1e-6);
      }
    }
  });

  it('keeps the projections of each, averages heads, and names what is missing', () => {
    const both = [
      { adapter: adapterOf('q_proj', [[1, 1]], [[2]]), grams: gram([1, 0], [0, 1]) },
      { adapter: adapterOf('v_proj', [[1, 1]], [[4]]), grams: gram([3, 0], [0, 1]) },
    ];
    both.forEach(({ adapter }, i) =>
      adapter.tensors.set(HEAD_TENSOR, { shape: [1, 2], data: Float32Array.of(i, 2 + i) }),
    );
    const merged = mergeRegMean(both, 1);
    expect(merged.config).toMatchObject({ rank: 2, targets: ['q_proj', 'v_proj'], head: true });
    // The other has none of the matrix, and reads with weight all the same: 2·1/4, 2·1/2; 4·3/4, 4·1/2.
    expectNear(numbers(merged, Q), [0.5, 1]);
    expectNear(numbers(merged, V), [3, 2]);
    expect([...merged.tensors.get(HEAD_TENSOR)!.data]).toEqual([0.5, 2.5]);
    const [one] = both as [(typeof both)[0]];
    expect(() => mergeRegMean([{ ...one, grams: [] }], 1)).toThrow(
      /no Gram matrix of the inputs of .*q_proj, which has 2/,
    );
    expect(() => mergeRegMean([{ ...one, grams: gram([1, 1], [1, 1]) }], 1)).toThrow(/q_proj have no inverse/);
    expect(() => mergeRegMean([{ ...one, grams: gram([1, 1], [1, 1]) }], 0.9)).not.toThrow();
    expect(() => mergeRegMean([one], 1.5)).toThrow(/is 1\.5, not in \[0, 1\]/);
    expect(() => mergeRegMean([], 1)).toThrow('there is no adapter to merge');
  });
});
