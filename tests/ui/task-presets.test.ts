/** Choosing a task: which preset it starts from, and that the steps of the form hold its settings. */
import { describe, expect, it } from 'vitest';
import { PRESETS } from '../../src/recipes/presets';
import { resolveConfig } from '../../src/recipes/resolve';
import { isFileTask, TASKS } from '../../src/tasks';
import { HUB_DATASETS } from '../../src/tasks/hubDataset';
import { importProblems } from '../../src/tasks/importer';
import { presetForTask } from '../../src/ui/data/taskPresets';
import { CHAT_FIELDS, settingAt } from '../../src/ui/settingFields';

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
    expect(presetForTask(task, before)).toBe(after);
  });

  it('makes a run with every task', () => {
    for (const task of TASKS) {
      const data = isFileTask(task) && { 'data.name': 'some.jsonl', 'data.sha256': '0'.repeat(64) };
      const config = resolveConfig(presetForTask(task.name, 'arithmetic-quick'), { task: task.name, ...data });
      expect(config.task).toBe(task.name);
      expect(config.dtype).toBe(task.dialect === 'chat' ? 'int4' : undefined);
    }
  });
});

describe('what the form offers', () => {
  it('has a step for the chat settings of every preset, and for nothing else', () => {
    for (const { config } of Object.values(PRESETS)) {
      if (config.summary === undefined) continue;
      for (const field of CHAT_FIELDS) {
        expect(field.options.map(({ value }) => value)).toContain(settingAt(config, field.key));
        for (const { value } of field.options) {
          expect(settingAt(resolveConfig('arithmetic-chat', { [field.key]: value }), field.key)).toBe(value);
        }
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
