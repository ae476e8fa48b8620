import { describe, expect, it } from 'vitest';
import { PROJECTIONS } from '../../src/engine/types';
import { ConfigurationError } from '../../src/recipes/errors';
import { recipeNamed, recipes } from '../../src/recipes';
import { checkConfig, differences, resolveConfig, settingOf, settingsOf, speaksChat } from '../../src/recipes/resolve';
import { estimateWork } from '../../src/recipes/work';

const RECIPE = recipeNamed('multiagent-finetuning');
const PRESETS = RECIPE.presets;

/** Keys that every configuration has. */
function requiredKeys(): string[] {
  return Object.entries(settingsOf(RECIPE)).flatMap(([key, { absent }]) => (absent === undefined ? [key] : []));
}

/** A preset's task. */
function resolvedTask(preset: string): { task: string } {
  return { task: PRESETS[preset]?.config.task ?? '' };
}

describe('resolveConfig', () => {
  it('gives a preset unchanged, and a copy', () => {
    const config = resolveConfig('arithmetic');
    expect(config).toEqual(PRESETS['arithmetic']?.config);
    config.adapter.targets.pop();
    expect(resolveConfig('arithmetic').adapter.targets).toEqual(PROJECTIONS);
  });

  it("leaves the weights' format out at f32, as logs from before it existed do", () => {
    const full = resolveConfig('arithmetic', { dtype: 'f32' });
    expect(full).toEqual(resolveConfig('arithmetic'));
    expect(checkConfig({ ...full, dtype: 'f32' })).toEqual(full);
    const small = resolveConfig('arithmetic', { dtype: 'int4' });
    expect(small.dtype).toBe('int4');
    expect(checkConfig(structuredClone(small))).toEqual(small);
    expect(differences(small)).toEqual({ dtype: 'int4' });
    expect(differences(full)).toEqual({});
    expect(settingOf(full, 'dtype')).toBe('f32');
    expect(settingOf(resolveConfig('arithmetic', { 'finetune.clip': 'none' }), 'finetune.clip')).toBeNull();
    expect(() => resolveConfig('arithmetic', { dtype: 'int2' })).toThrow(/dtype.*f32, f16, int8, int4/s);
  });

  it('leaves the format of keys and values out where the device chooses', () => {
    const free = resolveConfig('arithmetic', { cache: 'auto' });
    expect(free).toEqual(resolveConfig('arithmetic'));
    expect(settingOf(free, 'cache')).toBe('auto');
    const asked = resolveConfig('arithmetic', { cache: 'f16' });
    expect(asked.cache).toBe('f16');
    expect(checkConfig(structuredClone(asked))).toEqual(asked);
    expect(differences(asked)).toEqual({ cache: 'f16' });
    expect(() => resolveConfig('arithmetic', { cache: 'int8' })).toThrow(/cache.*auto, f32, f16/s);
  });

  it('reads overrides as text and as values', () => {
    const config = resolveConfig('arithmetic-quick', {
      seed: '7',
      agents: 5,
      'finetune.lr': '1e-3',
      'finetune.clip': 'none',
      'adapter.targets': 'v_proj,q_proj',
      singleAgentBaseline: 'false',
      startFrom: 'base',
    });
    expect(config).toMatchObject({
      preset: 'arithmetic-quick',
      seed: 7,
      agents: 5,
      singleAgentBaseline: false,
      startFrom: 'base',
    });
    expect(config.finetune).toMatchObject({ lr: 1e-3, clip: null, epochs: 2 });
    expect(config.adapter.targets).toEqual(['q_proj', 'v_proj']);
    expect(differences(config)).toEqual({
      seed: 7,
      agents: 5,
      'finetune.lr': 1e-3,
      'finetune.clip': null,
      'adapter.targets': ['q_proj', 'v_proj'],
      singleAgentBaseline: false,
      startFrom: 'base',
    });
  });

  it.each([
    ['finetune.learningRate', 1],
    ['finetune', 1],
    ['__proto__', 1],
    ['constructor', 1],
    ['recipe', 'other'],
    ['agents', 0],
    ['agents', 2.5],
    ['agents', 'many'],
    ['agents', ''],
    ['seed', -1],
    ['seed', 2 ** 53],
    ['sampling.topP', 0],
    ['sampling.temperature', 'NaN'],
    ['criticShare', 1.1],
    ['problems', 'some'],
    ['task', 'gsm8k'],
    ['adapter.targets', 'q_proj,lm_head'],
    ['adapter.targets', ''],
    ['singleAgentBaseline', 'maybe'],
    ['finetune.clip', 0],
    ['minimumVotes', 4],
  ])('refuses %s = %j by name', (key, value) => {
    expect(() => resolveConfig('arithmetic', Object.fromEntries([[key, value]]))).toThrow(ConfigurationError);
    expect(() => resolveConfig('arithmetic', Object.fromEntries([[key, value]]))).toThrow(new RegExp(`^${key}: `));
  });

  const alike = Object.keys(PRESETS).filter((preset) => !preset.startsWith('strategies-apart'));
  it.each(alike)("adopts the other dialect's settings when the task of %s is changed", (preset) => {
    const chat = speaksChat(resolvedTask(preset));
    const config = resolveConfig(preset, { task: chat ? 'arithmetic' : 'arithmetic-chat' });
    expect(config).toMatchObject(
      chat
        ? { sampling: { maxTokens: 64, topP: 1 }, finetune: { lr: 5e-4 } }
        : { sampling: { maxTokens: 512, topP: 0.9 }, finetune: { lr: 2e-4 }, summary: 'base-model' },
    );
    // Left out, not undefined: the log's digest counts keys.
    expect([Object.hasOwn(config, 'summary'), Object.hasOwn(config, 'dtype')]).toEqual([!chat, false]);
    expect(checkConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
    const changes = differences(config) as Parameters<typeof resolveConfig>[1];
    expect(resolveConfig(preset, changes)).toEqual(config);
  });

  it('keeps what was asked for when the dialect changes, and refuses what it does not have', () => {
    const asked = { task: 'arithmetic', dtype: 'int8', 'sampling.maxTokens': '32', 'finetune.lr': '0.01' };
    expect(resolveConfig('gsm8k', asked)).toMatchObject({
      task: 'arithmetic',
      dtype: 'int8',
      sampling: { maxTokens: 32, topP: 1 },
      finetune: { lr: 0.01 },
    });
    const chat = { task: 'arithmetic', summary: 'concatenate' };
    expect(() => resolveConfig('gsm8k-quick', chat)).toThrow(/^summary: arithmetic has none/);
  });

  it('refuses what does not go together, and unknown presets', () => {
    expect(() => resolveConfig('arithmetic', { agents: 1, minimumVotes: 1 })).toThrow(/nobody to debate/);
    expect(resolveConfig('arithmetic', { agents: 1, minimumVotes: 1, rounds: 1 })).toMatchObject({ agents: 1 });
    expect(() => resolveConfig('toString')).toThrow(/^preset: "toString" is unknown; there are arithmetic-tiny/);
  });
});

describe('checkConfig', () => {
  it('accepts every preset after a round trip through JSON', () => {
    for (const preset of Object.values(PRESETS)) {
      // A preset cannot bring a file.
      const data = preset.config.task === 'gsm8k' && { data: { name: 'some.jsonl', sha256: 'ab'.repeat(32) } };
      const config = { ...preset.config, ...data };
      expect(checkConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
    }
  });

  it('names what is missing or too much', () => {
    const config = structuredClone(PRESETS['arithmetic']?.config) as unknown as Record<string, Record<string, unknown>>;
    delete config['finetune']?.['lr'];
    expect(() => checkConfig(config)).toThrow(/^finetune\.lr: nothing is not/);
    expect(() => checkConfig({ ...PRESETS['arithmetic']?.config, extra: { deep: 1 } })).toThrow(/^extra\.deep: /);
    expect(() => checkConfig(null)).toThrow(ConfigurationError);
    expect(() => checkConfig({ recipe: 'moon' })).toThrow(
      /^recipe: "moon" is unknown; there are multiagent-finetuning/,
    );
  });

  it('knows every setting of a preset', () => {
    const leaves = (value: object, prefix = ''): string[] =>
      Object.entries(value).flatMap(([key, item]: [string, unknown]) =>
        typeof item === 'object' && item !== null && !Array.isArray(item)
          ? leaves(item, `${prefix}${key}.`)
          : [prefix + key],
      );
    expect(leaves(PRESETS['arithmetic']?.config as object).sort()).toEqual(
      ['preset', 'recipe', ...requiredKeys()].sort(),
    );
  });
});

describe('the tables of settings', () => {
  it.each(recipes().map((recipe) => [recipe.id, recipe] as const))('of %s give every preset', (_, recipe) => {
    const table = settingsOf(recipe);
    for (const { config } of Object.values(recipe.presets)) {
      const data = config.task === 'gsm8k' && { data: { name: 'some.jsonl', sha256: 'ab'.repeat(32) } };
      expect(checkConfig(JSON.parse(JSON.stringify({ ...config, ...data })))).toEqual({ ...config, ...data });
    }
    for (const [key, { reader, line, label, steps = [] }] of Object.entries(table)) {
      expect(`${key}: ${line}`).toMatch(/^[\w.]+: [A-Z\d].*\.$/);
      expect(label).not.toBe('');
      for (const { value } of steps) expect(() => reader.read(key, value)).not.toThrow();
    }
  });

  it('tell recipes apart: a setting of one is refused by the other', () => {
    expect(() => resolveConfig('arithmetic', { samples: 3 })).toThrow(/^samples: is not a setting/);
    expect(resolveConfig('arithmetic', { samples: 5 }, 'majority-finetuning')).toMatchObject({ samples: 5 });
    expect(() => resolveConfig('arithmetic', { agents: 3 }, 'star')).toThrow(
      /^agents: is not a setting of star, but of multiagent-finetuning, .*, debate, majority, distil, merge$/,
    );
    expect(() => resolveConfig('arithmetic', { moons: 3 }, 'star')).toThrow(
      /^moons: is not a setting; there are hints, /,
    );
  });
});

describe('estimateWork', () => {
  it('counts the short chains of strategies, not the steps of arithmetic', () => {
    const { calls, generatedTokens } = estimateWork(resolveConfig('strategies'));
    expect(generatedTokens).toBe(10 * calls);
  });

  it('counts responses exactly', () => {
    // evaluation: 24·6·(1 + 2·1); training: 24·(6 + 3)
    expect(estimateWork(resolveConfig('arithmetic-tiny')).calls).toBe(24 * 6 * 3 + 24 * 9);
    expect(estimateWork(resolveConfig('arithmetic-tiny', { singleAgentBaseline: 'false' })).calls).toBe(
      24 * 6 * 2 + 24 * 6,
    );
  });

  it('keeps the quick preset within ten minutes of 2,000 sampled and 1,500 trained tokens a second', () => {
    const { generatedTokens, trainedTokens } = estimateWork(resolveConfig('arithmetic-quick'));
    expect(generatedTokens / 2000 + trainedTokens / 1500).toBeLessThan(480);
  });
});
