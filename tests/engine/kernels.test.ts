/**
 * Every kernel in every form it is used in compiles without a word, within the limits of every WebGPU device and without its
 * optional features. Nothing runs here.
 */

import { readdir } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { wideShape } from '../../src/engine/gpu/attention';
import { kernelCode, type KernelConstants } from '../../src/engine/gpu/compile';
import type { Gpu } from '../../src/engine/gpu/device';
import { FRAGMENTS, KERNELS, VARIANTS, type KernelName } from '../../src/engine/gpu/kernels';
import { openTestGpu } from './gpu';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu();
});

/** Qwen2.5 0.5B, SmolLM2 1.7B, and the widest heads, shared by many, that the kernels for GPUs take. */
const HEADS = [
  { numHeads: 14, numKvHeads: 2, headDim: 64 },
  { numHeads: 32, numKvHeads: 32, headDim: 64 },
  { numHeads: 16, numKvHeads: 1, headDim: 256 },
];
const V = 151_936;
const heads = HEADS.map((shape) => ({ HEADS: shape.numHeads, KV_HEADS: shape.numKvHeads, HEAD_DIM: shape.headDim }));
const attentionTiles = heads.map((shape) => ({ ...shape, LANES: 8 }));
const lora = [{ LORA: false }, { LORA: true }];
const expand = [{ EXPAND: false }, { EXPAND: true }];
const columns = [1, 8, 12, 16].flatMap((COLUMNS) => ['plain', 'swiglu'].map((OUTPUTS) => ({ COLUMNS, OUTPUTS })));
const norms = [
  { LANES: 32, LINES: 4 },
  { LANES: 128, LINES: 1 },
];

/** What a kernel may do at once with others: with whole numbers alone. */
const ATOMIC = ['atomic', 'atomicAdd', 'atomicLoad', 'atomicMax', 'atomicStore'];

/** Constants that the engine gives each kernel, but for those of VARIANTS. A kernel that has none is compiled once. */
const CONSTANTS: Partial<Record<KernelName, KernelConstants[]>> = {
  attention_backward_key_value: attentionTiles,
  attention_backward_key_value_wide: heads,
  attention_backward_query: attentionTiles,
  attention_backward_query_wide: heads,
  attention_backward_stats: [{ HEAD_DIM: 64 }],
  attention_forward: heads.map((shape) => ({ ...shape, GROUP: 1, LANES: 64 })),
  attention_forward_wide: HEADS.flatMap((shape, i) =>
    [false, true].map((SPLIT) => ({ ...heads[i], GROUP: wideShape(shape).group, SPLIT })),
  ),
  attention_merge: [{ HEADS: 14, HEAD_DIM: 64 }],
  cache_copy: [{ WIDTH: 128, STEP: 8 }],
  cache_store: [{ PAIRS: 64 }],
  cross_entropy: [
    { V, LANES: 1, TOKENS: 64 },
    { V, LANES: 256, TOKENS: 1 },
  ],
  embed_tokens: [{ D: 896 }],
  gather_rows: [{ WIDTH: 896 }],
  linear_backward_input_tiled: [{ VECTOR: true }, { VECTOR: false }],
  linear_forward: lora,
  linear_forward_columns: columns,
  norm_shrink: [
    { NORM_LANES: 32, TOKENS: 1 },
    { NORM_LANES: 128, TOKENS: 4 },
    { NORM_LANES: 128, TOKENS: 8 },
  ],
  linear_forward_columns_half: columns,
  sample_tokens_wide: [{ SLICED: false }, { SLICED: true }],
  linear_forward_packed: [...lora, { TOKENS: 1 }, { TOKENS: 4 }],
  linear_forward_scalar: lora,
  lora_backward_weights: expand,
  lora_backward_weights_scalar: expand,
  lora_backward_weights_wide: expand,
  lora_shrink_wide: [{ TOKENS: 1 }, { TOKENS: 4 }, { TOKENS: 8 }],
  quantise: [{ BITS: 4 }, { BITS: 8 }, { BITS: 16 }],
  mix_rows: [
    { V, LANES: 8, STRIDED: false },
    { V, LANES: 256, STRIDED: true },
  ],
  reward_backward: [{ WIDTH: 896 }],
  reward_backward_head: [{ WIDTH: 896 }],
  rmsnorm_backward_wide: norms,
  rmsnorm_forward_wide: norms,
  rope_backward: [{ HEADS: 14, HEAD_DIM: 64 }],
  rope_forward: [
    { HEADS: 14, HEAD_DIM: 64, CACHED: false },
    { HEADS: 14, HEAD_DIM: 64, CACHED: true },
  ],
  rope_store: heads.flatMap((shape) => [true, false].map((NORM) => ({ ...shape, NORM }))),
  sample_tokens: [{ V, LANES: 8 }],
  score_tokens: [
    { V, LANES: 8, STRIDED: false },
    { V, LANES: 256, STRIDED: true },
  ],
  sum_of_squares: [{ CHUNKS: 1024 }],
  sum_of_squares_total: [{ CHUNKS: 1024 }],
  swiglu_forward: [{ WIDTH: 4864 }],
};

/** The forms of a kernel: its constants, with every format of weights, keys and values that it reads. */
function formsOf(name: KernelName): KernelConstants[] {
  let forms = CONSTANTS[name] ?? [{}];
  for (const [fragment, { constant, texts }] of Object.entries(VARIANTS)) {
    if (!KERNELS[name].includes(`//@${fragment}\n`)) continue;
    const fits = (form: KernelConstants, value: string, text: string): boolean => {
      // Weights over their scale are what the kernels in f16 multiply; f32 has none.
      if (fragment === 'weights') return !isHalf(name) || text.includes('fn unit4(');
      // Whole groups are taken of formats that have them.
      return value !== 'groups' || ['int4', 'int8'].includes(String(form['FORMAT']));
    };
    forms = forms.flatMap((form) =>
      Object.entries(texts).flatMap(([value, text]) =>
        fits(form, value, text) ? [{ ...form, [constant]: value }] : [],
      ),
    );
  }
  return forms;
}

const isHalf = (name: KernelName): boolean => name.endsWith('_half');
const NAMES = Object.keys(KERNELS) as KernelName[];
const FORMS = NAMES.flatMap((name) =>
  formsOf(name).map((constants) => ({ name, constants, words: JSON.stringify(constants) })),
);

describe('a kernel', () => {
  it('is checked against the limits that every WebGPU device has', () => {
    const { limits } = gpu.device;
    expect(limits.maxStorageBuffersPerShaderStage).toBe(8);
    expect(limits.maxComputeWorkgroupStorageSize).toBe(16_384);
    expect(limits.maxComputeInvocationsPerWorkgroup).toBe(256);
  });

  it.each(FORMS)('$name $words compiles within them', async ({ name, constants }) => {
    const code = kernelCode(name, constants);
    expect(code.match(/^(enable|requires)\b.*/gm) ?? []).toEqual(isHalf(name) ? ['enable f16;'] : []);
    // Floats are added in a fixed order; the sum and the largest of whole numbers are the same in any, and no others are atomic.
    expect((code.match(/atomic\w*/g) ?? []).filter((word) => !ATOMIC.includes(word))).toEqual([]);
    expect(code).not.toMatch(/^\/\/@/m);
    if (isHalf(name) && !gpu.hasF16) return;
    const module = gpu.device.createShaderModule({ label: name, code });
    const { messages } = await module.getCompilationInfo();
    expect(messages.map(({ type, lineNum, message }) => `${type} ${lineNum}: ${message}`)).toEqual([]);
    // Counts of buffers, workgroup memory and invocations are known to the pipeline.
    gpu.device.pushErrorScope('validation');
    const kernel = gpu.kernel(name, constants);
    expect((await gpu.device.popErrorScope())?.message).toBeUndefined();
    expect(kernel.storageBindings).toBeLessThanOrEqual(8);
  });
});

describe('the registry', () => {
  it.each([
    ['kernels', { ...KERNELS }],
    ['kernels/fragments', { ...FRAGMENTS, ...variantFragments() }],
  ])('has every file of %s', async (folder, registered) => {
    const files = await readdir(new URL(`../../src/engine/${folder}`, import.meta.url));
    const names = files.filter((file) => file.endsWith('.wgsl')).map((file) => file.slice(0, -'.wgsl'.length));
    expect(names.sort()).toEqual(Object.keys(registered).sort());
  });

  it('has variants of every text that differ', () => {
    for (const { texts } of Object.values(VARIANTS)) {
      const different = new Set(Object.values(texts));
      expect(different.size).toBe(Object.keys(texts).length);
    }
    expect(() => kernelCode('cache_store', { PAIRS: 4, CACHE: 'int8' })).toThrow(/nothing for .*cache.*int8/);
    expect(() => kernelCode('cache_store', { PAIRS: 4 })).toThrow(/nothing for .*cache/);
    expect(() => kernelCode('cache_copy', { WIDTH: 4, STEP: 8, CACHE: 'f16' })).toThrow(/no constant CACHE/);
  });

  it('has no fragment that only one text takes', () => {
    const texts = [...Object.values(KERNELS), ...Object.values(FRAGMENTS), ...Object.values(variantFragments())];
    for (const name of Object.keys(FRAGMENTS)) {
      const users = texts.filter((text) => text.split('\n').includes(`//@${name}`));
      expect(users.length, name).toBeGreaterThan(1);
    }
  });
});

/** Texts of the variants by their files' names. */
function variantFragments(): Record<string, string> {
  const files = Object.entries(VARIANTS).flatMap(([fragment, { texts }]) =>
    Object.entries(texts).map(([format, text]) => [`${fragment}_${format}`, text]),
  );
  return Object.fromEntries(files) as Record<string, string>;
}
