/** Choosing a task: which preset it starts from, and that the steps of the form hold its settings. */
import { describe, expect, it } from 'vitest';
import { recipeNamed, recipes } from '../../src/recipes';
import { resolveConfig, speaksChat } from '../../src/recipes/resolve';
import { isFileTask, TASKS } from '../../src/tasks';
import { HUB_DATASETS } from '../../src/tasks/hubDataset';
import { importProblems } from '../../src/tasks/importer';
import { presetForTask } from '../../src/ui/data/taskPresets';
import { fieldsOf, settingAt } from '../../src/ui/settingFields';

const maft = recipeNamed('multiagent-finetuning');

describe('the preset of a task', () => {
  it.each([
    ['gsm8k', 'arithmetic-quick', 'gsm8k-quick'],
    ['gsm8k', 'arithmetic', 'gsm8k'],
    ['gsm8k', 'arithmetic-tiny', 'gsm8k-quick'],
    ['gsm8k', 'gsm8k', 'gsm8k'],
    ['arithmetic-chat', 'gsm8k-quick', 'arithmetic-chat-quick'],
    ['arithmetic', 'gsm8k-quick', 'arithmetic-quick'],
    // No preset of their own: one in words, or the one that is there with what was set in it.
    ['jsonl', 'arithmetic-quick', 'gsm8k-quick'],
    ['jsonl', 'arithmetic-chat', 'arithmetic-chat'],
    ['multiple-choice', 'gsm8k', 'gsm8k'],
  ])('%s after %s is %s', (task, before, after) => {
    expect(presetForTask(maft, task, before)).toBe(after);
  });

  it.each(recipes())('makes a run of $id with every task', (recipe) => {
    for (const task of TASKS) {
      const data = isFileTask(task) && { 'data.name': 'some.jsonl', 'data.sha256': '0'.repeat(64) };
      const preset = presetForTask(recipe, task.name, 'arithmetic-quick');
      // Where nothing is right or wrong, the judges are those that need no true answers.
      const judged = task.ungraded && recipe.ungraded && { teacher: 'vote', judge: 'likelihood' };
      const make = () => resolveConfig(preset, { task: task.name, ...data, ...judged }, recipe.id);
      if (task.ungraded && !recipe.ungraded) {
        expect(make).toThrow(/has no true answers/);
        continue;
      }
      const config = make();
      expect(config.task).toBe(task.name);
      expect(config.dtype).toBe(task.dialect === 'chat' ? 'int4' : undefined);
    }
  });
});

describe('what the form offers', () => {
  it.each(recipes())('has a step for the chat settings of every preset of $id', (recipe) => {
    for (const { config } of Object.values(recipe.presets)) {
      if (!speaksChat(config)) continue;
      for (const { key, options, chat } of fieldsOf(recipe)) {
        // A switch has no steps.
        if (!chat || !options) continue;
        expect(
          options.map(({ value }) => value),
          key,
        ).toContain(settingAt(config, key));
      }
    }
  });

  it('shows lines that its tasks can read, and datasets that they are for', () => {
    for (const task of TASKS.filter(isFileTask)) {
      const bytes = new TextEncoder().encode(task.exampleLine);
      expect(importProblems(task, 'example.jsonl', bytes).problems.length, task.name).toBe(1);
    }
    const names = TASKS.filter(isFileTask).map(({ name }) => name);
    for (const { task, splits, configs } of HUB_DATASETS) {
      expect(names).toContain(task);
      expect(splits.length * configs.length).toBeGreaterThan(0);
    }
  });
});
