/** The form's fields: they hold every preset of every recipe, the paper's values are marked, and each choice makes a valid run. */
import { describe, expect, it } from 'vitest';
import { isFileTask, taskNamed } from '../../src/tasks';
import { recipeNamed, recipes } from '../../src/recipes';
import { resolveConfig, settingKeys, speaksChat } from '../../src/recipes/resolve';
import {
  carriedOver,
  fieldsOf,
  lineOf,
  optionsOf,
  settingAt,
  valuesOf,
  type SettingField,
} from '../../src/ui/settingFields';

const all = recipes().map((recipe) => ({ id: recipe.id, recipe, fields: fieldsOf(recipe) }));

function fieldOf(id: string, key: string): SettingField {
  const field = fieldsOf(recipeNamed(id)).find((one) => one.key === key);
  if (!field) throw new Error(`${id} has no field ${key}`);
  return field;
}

describe.each(all)('the fields of $id', ({ id, recipe, fields }) => {
  it('reach every setting that has no place of its own', () => {
    const placed = ['model', 'ignoreConfig', 'task', 'data.name', 'data.sha256', 'seed', 'seats'];
    expect(fields.map(({ key }) => key)).toEqual(settingKeys(recipe).filter((key) => !placed.includes(key)));
  });

  it('have a step for every value of every preset', () => {
    for (const { config } of Object.values(recipe.presets)) {
      for (const { key, options, chat, accepts } of fields) {
        // The form adds the models that are at hand.
        if (accepts.type === 'model') continue;
        if (!options || (chat && !speaksChat(config))) continue;
        // Where nothing is learnt there is no iteration; the form then adds the 0 to its steps.
        if (key === 'iterations' && config.iterations === 0) continue;
        expect(
          options.map(({ value }) => value),
          key,
        ).toContain(settingAt(config, key));
      }
    }
  });

  it('offer only what makes a run', () => {
    for (const { key, options, chat } of fields) {
      for (const { value } of options ?? []) {
        // As many voters as the steps may ask for, and no more votes than the fewest voters.
        const voters = recipe.settings['minimumVotes'] && {
          minimumVotes: 1,
          ...(key === 'minimumVotes' && { [recipe.settings['samples'] ? 'samples' : 'agents']: 6 }),
        };
        // The judge of the preference loop votes among the other samples, of which two samples leave none.
        const judge = recipe.settings['judge'] && ['samples', 'teacher'].includes(key) && { judge: 'likelihood' };
        const teacher = recipe.settings['teacher'] &&
          key === 'judge' && { teacher: value === 'vote' ? 'checker' : 'vote' };
        const larger = value === 'model' && { teacherModel: 'stored:org/large@0f3c' };
        // One problem has a label or has none, so no student would learn beside its experts.
        if (recipe.settings['labelled'] && key === 'trainProblems' && value === 1) continue;
        // Settings of others: of signed weights, and of the one model beside the society.
        const group = key === 'update.group' && { 'update.rule': 'advantage' };
        const single = recipe.settings['single.steps'] && {
          ...(key === 'single.steps' && { singleAgentBaseline: true }),
          ...(key === 'singleAgentBaseline' && { 'single.steps': 0 }),
        };
        const others = { ...group, ...single };
        // Agents start apart where responses show their strategy.
        // What is trained on arithmetic in words is tested on another task in words, whose problems are in a file.
        const elsewhere = key === 'transfer.from';
        const data = elsewhere && { 'data.name': 'p.jsonl', 'data.sha256': '0'.repeat(64) };
        const inWords = elsewhere ? 'gsm8k' : 'arithmetic-chat';
        const preset = chat ? inWords : key.startsWith('start.') ? 'strategies' : 'arithmetic';
        const config = resolveConfig(
          preset,
          { ...data, ...voters, ...judge, ...teacher, ...larger, ...others, [key]: value },
          id,
        );
        expect(settingAt(config, key), key).toBe(value);
      }
    }
  });

  it('give every preset back as it is', () => {
    for (const [name, { config }] of Object.entries(recipe.presets)) {
      const data = isFileTask(taskNamed(config.task)) && { 'data.name': 'p.jsonl', 'data.sha256': '0'.repeat(64) };
      const { data: _data, ...again } = resolveConfig(name, { ...valuesOf(recipe, config), ...data }, id);
      expect(again).toEqual(config);
    }
  });
});

describe('setting fields', () => {
  it('mark the paper’s value and keep one that is none of the steps', () => {
    const agents = fieldOf('multiagent-finetuning', 'agents');
    expect(optionsOf(agents, 3).find(({ value }) => value === 3)?.label).toBe('3 (paper)');
    expect(optionsOf(agents, 9).at(-1)).toEqual({ value: 9, label: '9' });
    expect(lineOf(fieldOf('majority-finetuning', 'samples'))).toMatch(/The paper: 32\.$/);
  });

  it('leave a value free where the table has no steps', () => {
    expect(fieldOf('star', 'finetune.clip')).toMatchObject({
      options: null,
      section: 'expert',
      accepts: { type: 'number', min: 0, none: true },
    });
    const config = resolveConfig('arithmetic', { 'finetune.clip': 'none' });
    expect(settingAt(config, 'finetune.clip')).toBe('none');
    expect(settingAt(config, 'adapter.targets')).toMatch(/^q_proj,/);
  });
});

describe('another recipe', () => {
  const valuesIn = (id: string) => valuesOf(recipeNamed(id), recipeNamed(id).presets['arithmetic-quick']!.config);

  it('keeps what was changed, and takes the rest from its own preset', () => {
    const before = valuesIn('multiagent-finetuning');
    const set = { ...before, iterations: 5, minimumVotes: 3, agents: 6 };
    const majority = carriedOver(set, before, valuesIn('majority-finetuning'));
    expect(majority).toMatchObject({ iterations: 5, minimumVotes: 3, samples: 3 });
    expect(majority).not.toHaveProperty('agents');
    const star = carriedOver(majority, valuesIn('majority-finetuning'), valuesIn('star'));
    expect(star).toMatchObject({ iterations: 5, startFrom: 'base', hints: true });
    expect(resolveConfig('arithmetic-quick', star, 'star')).toMatchObject({ recipe: 'star', iterations: 5 });
  });

  it('says what does not go together', () => {
    const set = { ...valuesIn('multiagent-finetuning'), minimumVotes: 3, agents: 2 };
    expect(() => resolveConfig('arithmetic-quick', set)).toThrow('minimumVotes: 3 of 2 agents can never agree');
    expect(() => resolveConfig('arithmetic-quick', { ...set, 'finetune.clip': '-1' })).toThrow(/^finetune\.clip: /);
  });
});
