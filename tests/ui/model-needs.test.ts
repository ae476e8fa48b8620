/** What the page says of a model before and after it is loaded. */
import { describe, expect, it } from 'vitest';
import { adapterCopySizes } from '../../src/engine/buffers';
import { SHAPE_NAMES, shapeConfig } from '../../src/engine/shapes';
import { errorSummary } from '../../src/ui/models/errors';
import { modelLabels } from '../../src/ui/models/labels';
import { deviceNeeds, roughBytes, shapeText, smallBuffersText } from '../../src/ui/models/needs';

describe('deviceNeeds', () => {
  it('is smallest at four bits, and every model of the catalogue fits a device of six gigabytes there', () => {
    for (const name of SHAPE_NAMES) {
      const needs = deviceNeeds(shapeConfig(name));
      expect(needs.map(({ dtype }) => dtype)).toEqual(['int4', 'int8', 'f16', 'f32']);
      for (const [i, { weights, total }] of needs.entries()) {
        expect(total).toBeGreaterThan(weights);
        if (i > 0) expect(weights).toBeGreaterThan(needs[i - 1]!.weights);
      }
      expect(needs[0]!.total, name).toBeLessThan(6e9);
    }
  });

  it('counts keys and values as the device keeps them with packed weights', () => {
    // So short that there is room for all rows in either format.
    const config = { ...shapeConfig('SmolLM2-135M'), maxPositions: 512 };
    const [known, unknown] = [deviceNeeds(config, 'f16'), deviceNeeds(config)];
    const copies = Object.values(adapterCopySizes(config, 7, 8)).reduce((sum, bytes) => sum + bytes, 0);
    for (const [i, { dtype, weights, total }] of known.entries()) {
      expect(weights).toBe(unknown[i]!.weights);
      if (dtype === 'f32') expect(total).toBe(unknown[i]!.total);
      // 22.5 KB a token in place of 45, the rows and an idle one; and a copy of seven adapters.
      else expect(unknown[i]!.total - total).toBe(31 * 512 * 23040 - copies);
    }
  });

  it('says what buffers of 128 MiB refuse', () => {
    const text = (name: (typeof SHAPE_NAMES)[number]) => smallBuffersText(deviceNeeds(shapeConfig(name)));
    expect(text('SmolLM2-135M')).toBe('Where a buffer holds 128 MiB at most, as on some phones, every format loads.');
    for (const name of SHAPE_NAMES) {
      const refused = deviceNeeds(shapeConfig(name)).filter(({ refusal }) => refusal !== null);
      for (const { refusal } of refused) expect(refusal).toContain('128 MiB at most');
      expect(text(name).includes('not'), name).toBe(refused.length > 0);
    }
  });

  it('leaves out formats that cannot pack the widths', () => {
    const odd = { ...shapeConfig('SmolLM2-135M'), hiddenSize: 18, numHeads: 3, numKvHeads: 3, headDim: 6 };
    expect(deviceNeeds(odd).map(({ dtype }) => dtype)).toEqual(['f32']);
  });
});

describe('words', () => {
  it('are short', () => {
    expect(shapeText(shapeConfig('Qwen2.5-0.5B'))).toBe('qwen2, 24 layers, width 896, 151,936 tokens');
    expect(roughBytes(988_065_536)).toBe('990 MB');
  });

  it('sum the quantiser’s errors up by size', () => {
    const errors = [
      { name: 'a', values: 300, relative: 0.01, largest: 1, saturated: 2 },
      { name: 'b', values: 100, relative: 0.05, largest: 1, saturated: 3 },
    ];
    expect(errorSummary(errors)).toEqual({ mean: 0.02, worst: errors[1], saturated: 5 });
    expect(errorSummary([])).toBeNull();
  });
});

describe('modelLabels', () => {
  it('leave the owner out where that says enough', () => {
    const qwen = 'stored:Qwen/Qwen3-0.6B@abc';
    expect(modelLabels(['folder:mine', qwen, 'stored:folder:mine@1'])).toEqual([
      'mine (folder)',
      'Qwen3-0.6B',
      'mine (copied folder)',
    ]);
    expect(modelLabels([qwen, 'stored:other/Qwen3-0.6B@abc', 'stored:a/b@c'])).toEqual([
      'Qwen/Qwen3-0.6B',
      'other/Qwen3-0.6B',
      'b',
    ]);
  });
});
