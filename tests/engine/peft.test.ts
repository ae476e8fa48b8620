import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { AdapterError, ConfigError, FileError, WeightValueError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import {
  adapterScaling,
  adapterTensorName,
  copyAdapterWeights,
  initAdapter,
  loadAdapter,
  parseAdapter,
  serialiseAdapter,
} from '../../src/engine/peft';
import { parseAdapterConfig } from '../../src/engine/peftConfig';
import { readSafetensors, writeSafetensors } from '../../src/engine/safetensors';
import { hashAdapter } from '../../src/log/digest';
import { PROJECTIONS, type AdapterConfig, type HostTensor } from '../../src/engine/types';
import { readGolden, type Golden } from './golden';

const CONFIG = { peft_type: 'LORA', r: 4, lora_alpha: 8, target_modules: ['q_proj', 'v_proj'] };

describe('adapter directories', () => {
  let golden: Golden;
  beforeAll(async () => {
    golden = await readGolden('qwen2');
  });

  it('are read with their configuration', async () => {
    expect(golden.adapter.config).toEqual({ rank: 4, alpha: 8, targets: [...PROJECTIONS] });
    expect(golden.adapter2.config).toEqual({ rank: 3, alpha: 6, targets: ['q_proj', 'v_proj'] });
    expect(golden.adapter.tensors.size).toBe(2 * 7 * 2);
  });

  it('are written so that they read back the same, and as PEFT names things', () => {
    const files = serialiseAdapter(golden.adapter2, golden.weights.config, 'models/x');
    const config = JSON.parse(new TextDecoder().decode(files['adapter_config.json']));
    expect(config).toMatchObject({ ...CONFIG, r: 3, lora_alpha: 6, base_model_name_or_path: 'models/x', bias: 'none' });
    const names = [...readSafetensors(files['adapter_model.safetensors'], 'f').keys()];
    expect(names).toContain('base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight');
    const read = parseAdapter(
      files['adapter_config.json'],
      files['adapter_model.safetensors'],
      golden.weights.config,
      'dir',
    );
    expect(read).toEqual(golden.adapter2);
  });

  it("may name their tensors with the adapter's name, as PEFT does in memory", () => {
    const files = serialiseAdapter(golden.adapter);
    const renamed = new Map<string, HostTensor>();
    for (const [name, tensor] of golden.adapter.tensors) renamed.set(name.replace(/weight$/, 'default.weight'), tensor);
    const read = parseAdapter(files['adapter_config.json'], writeSafetensors(renamed), golden.weights.config, 'dir');
    expect(read).toEqual(golden.adapter);
  });

  it('are refused when tensors are missing, superfluous, misshapen or not finite', () => {
    const files = serialiseAdapter(golden.adapter);
    const name = adapterTensorName(1, 'up_proj', 'B');
    const parse = (change: (tensors: Map<string, HostTensor>) => void) => () => {
      const { tensors } = copyAdapterWeights(golden.adapter);
      change(tensors);
      return parseAdapter(files['adapter_config.json'], writeSafetensors(tensors), golden.weights.config, 'some/dir');
    };
    expect(parse((tensors) => tensors.delete(name))).toThrow(
      `some/dir/adapter_model.safetensors: tensor ${name} is missing`,
    );
    expect(parse((tensors) => tensors.set('lm_head.lora_A.weight', tensors.get(name)!))).toThrow(
      /lm_head.lora_A.weight/,
    );
    expect(parse((tensors) => tensors.set(name, { shape: [1], data: new Float32Array(1) }))).toThrow(/has shape \[1\]/);
    expect(parse((tensors) => tensors.get(name)!.data.fill(NaN))).toThrow(WeightValueError);
    expect(parse((tensors) => tensors.delete(name))).toThrow(AdapterError);
  });

  it('are refused when a file is missing or not JSON', async () => {
    await expect(loadAdapter(folderSource('/nowhere'), golden.weights.config)).rejects.toThrow(FileError);
    const weights = await readFile(`${golden.dir}/adapter/adapter_model.safetensors`);
    expect(() => parseAdapter(new Uint8Array([123]), weights, golden.weights.config, 'd')).toThrow(ConfigError);
  });
});

describe('adapter_config.json', () => {
  it('may list targets short or with their block, or say all-linear', () => {
    const targets = (target_modules: unknown): string[] =>
      parseAdapterConfig({ ...CONFIG, target_modules }, 'f').targets;
    expect(targets(['v_proj', 'self_attn.q_proj', 'mlp.up_proj'])).toEqual(['q_proj', 'v_proj', 'up_proj']);
    expect(targets('all-linear')).toEqual([...PROJECTIONS]);
  });

  it('may be rank-stabilised', () => {
    expect(adapterScaling(parseAdapterConfig(CONFIG, 'f'))).toBe(2);
    const rslora = parseAdapterConfig({ ...CONFIG, use_rslora: true }, 'f');
    expect(adapterScaling(rslora)).toBe(4);
    expect(parseAdapterConfig(JSON.parse(JSON.stringify({ ...CONFIG, use_rslora: true })), 'f')).toEqual(rslora);
  });

  const refused: [string, object][] = [
    ['peft_type "IA3"', { peft_type: 'IA3' }],
    ['rank_pattern', { rank_pattern: { q_proj: 2 } }],
    ['alpha_pattern', { alpha_pattern: { q_proj: 2 } }],
    ['modules_to_save', { modules_to_save: ['lm_head'] }],
    ['layers_to_transform', { layers_to_transform: [0] }],
    ['use_dora', { use_dora: true }],
    ['fan_in_fan_out', { fan_in_fan_out: true }],
    ['lora_bias', { lora_bias: true }],
    ['bias "all"', { bias: 'all' }],
    ['init_lora_weights "pissa_niter_4"', { init_lora_weights: 'pissa_niter_4' }],
    ['target module "lm_head"', { target_modules: ['q_proj', 'lm_head'] }],
    ['target_modules ".*_proj"', { target_modules: '.*_proj' }],
    ['has no targets', { target_modules: [] }],
    ['rank is 0', { r: 0 }],
    ['"lora_alpha" is "x" (text), not a number', { lora_alpha: 'x' }],
  ];
  it.each(refused)('is refused with %s', (message, change) => {
    const parse = (): unknown => parseAdapterConfig({ ...CONFIG, ...change }, 'dir/adapter_config.json');
    expect(parse).toThrow(AdapterError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(/^dir\/adapter_config\.json: /);
  });
});

describe('initAdapter', () => {
  const config: AdapterConfig = { rank: 6, alpha: 12, targets: [...PROJECTIONS] };

  it('draws A uniformly within 1/√in and leaves B zero', async () => {
    const { weights } = await readGolden('llama');
    const { tensors } = initAdapter(weights.config, config, 1);
    for (const [name, { shape, data }] of tensors) {
      if (name.includes('lora_B')) {
        expect(data.every((x) => x === 0)).toBe(true);
        continue;
      }
      const bound = 1 / Math.sqrt(shape[1]);
      // Mean 0 and variance b²/3, each within six standard errors.
      const n = data.length;
      const mean = data.reduce((a, b) => a + b, 0) / n;
      const variance = data.reduce((a, b) => a + b * b, 0) / n;
      expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(Math.fround(bound));
      expect(Math.abs(mean)).toBeLessThan((6 * bound) / Math.sqrt(3 * n));
      expect(Math.abs(variance / (bound * bound) - 1 / 3)).toBeLessThan(6 * Math.sqrt(4 / 45 / n));
    }
  });

  it('gives every tensor numbers of its own that other targets and ranks do not shift', async () => {
    const { config: model } = (await readGolden('llama')).weights;
    const all = initAdapter(model, config, 1);
    const some = initAdapter(model, { ...config, targets: ['up_proj'] }, 1);
    const name = adapterTensorName(1, 'up_proj', 'A');
    expect(some.tensors.get(name)).toEqual(all.tensors.get(name));
    const wide = initAdapter(model, { ...config, rank: 9 }, 1).tensors.get(name)!.data;
    expect(wide.subarray(0, 6 * 48)).toEqual(all.tensors.get(name)!.data);
    const firsts = [...all.tensors].filter(([key]) => key.includes('lora_A')).map(([, { data }]) => data[0]);
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it('hashes by names and values', async () => {
    const { config: model } = (await readGolden('llama')).weights;
    const hash = (seed: number): string => hashAdapter(initAdapter(model, config, seed));
    expect(hash(1)).toBe(hash(1));
    expect(hash(1)).not.toBe(hash(2));
    expect(hash(1)).toMatch(/^[0-9a-f]{64}$/);
    const shuffled = initAdapter(model, config, 1);
    shuffled.tensors = new Map([...shuffled.tensors].reverse());
    expect(hashAdapter(shuffled)).toBe(hash(1));
  });
});
