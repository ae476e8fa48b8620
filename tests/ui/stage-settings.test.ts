/** The form's steps: every preset lies on them, the paper's values are marked, and each choice makes a valid run. */
import { describe, expect, it } from 'vitest';
import { PRESETS } from '../../src/recipes/presets';
import { resolveConfig } from '../../src/recipes/resolve';
import { FIELDS, optionsOf, settingAt } from '../../src/ui/settingFields';

describe('setting fields', () => {
  it('have a step for every value of every preset', () => {
    for (const { config } of Object.values(PRESETS)) {
      for (const field of FIELDS) {
        expect(
          field.options.map(({ value }) => value),
          field.key,
        ).toContain(settingAt(config, field.key));
      }
    }
  });

  it('offer only what makes a run', () => {
    for (const field of FIELDS) {
      for (const { value } of field.options) {
        const agents = field.key === 'minimumVotes' ? Number(value) + 1 : 3;
        const overrides = { agents, minimumVotes: 2, [field.key]: value };
        expect(settingAt(resolveConfig('arithmetic', overrides), field.key)).toBe(value);
      }
    }
  });

  it('mark the paper’s value, keep one that is none of the steps, and ask for no more votes than agents', () => {
    const agents = FIELDS.find(({ key }) => key === 'agents')!;
    expect(optionsOf(agents, 3, 3).find(({ value }) => value === 3)?.label).toBe('3 (paper)');
    expect(optionsOf(agents, 9, 9).at(-1)).toEqual({ value: 9, label: '9' });
    const votes = FIELDS.find(({ key }) => key === 'minimumVotes')!;
    expect(optionsOf(votes, 2, 2).map(({ value }) => value)).toEqual([1, 2]);
  });
});
