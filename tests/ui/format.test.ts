import { expect, it } from 'vitest';
import { resolveConfig } from '../../src/recipes/resolve';
import { activityText, engineName, engineReason, engineText, settingsText } from '../../src/ui/format';

it('says how far the loading of a model is, and how long it will take once that is known', () => {
  const preparing = { kind: 'preparing', what: 'Loading the model' } as const;
  const text = (doneBytes: number, secondsLeft: number | null) =>
    activityText({ ...preparing, bytes: { doneBytes, totalBytes: 12_600_000, secondsLeft } }, null);
  expect(activityText(preparing, null)).toBe('Loading the model…');
  expect(text(1_200_000, null)).toBe('Loading the model: 1.2 MB of 12.6 MB…');
  expect(text(1_200_000, 75)).toBe('Loading the model: 1.2 MB of 12.6 MB, about 1 min 15 s left…');
});

it('says a run in words', () => {
  expect(settingsText(resolveConfig('arithmetic-tiny', { seed: 7, agents: 2 }))).toMatch(
    /^Multiagent finetuning · Arithmetic, tiny · 2 agents · 2 debate rounds · 1 iteration · \d+ training and \d+ held-out problems · seed 7$/,
  );
});

it('says another recipe by its own settings, and who is at work by its cast', () => {
  const config = resolveConfig('arithmetic-tiny', { hints: false }, 'star');
  expect(settingsText(config)).toMatch(/^STaR · Arithmetic, tiny · no hints · 1 iteration · /);
  const debate = { kind: 'debate', purpose: 'train', iteration: 1, round: 1, problemsDone: 3, problems: 24 } as const;
  expect(activityText({ ...debate, learner: 'star' }, config)).toMatch(
    /: the model answers training problems, round 1,/,
  );
  expect(activityText({ ...debate, learner: 'society' }, resolveConfig('arithmetic-tiny'))).toMatch(
    /: the society debates training problems, round 1, 3 of 24 problems done$/,
  );
});

it('says when a software driver stands in for a GPU', () => {
  const engine = (software: boolean) => ({ kind: 'webgpu', device: 'it', software, fallbackReason: null }) as const;
  expect(engineText(engine(false))).toBe('WebGPU (it)');
  expect(engineText(engine(true))).toBe('WebGPU without a GPU (it)');
});

it('says which engine computes the next run, and why', () => {
  const gpu = { kind: 'webgpu', device: 'a GPU', software: false, fallbackReason: null } as const;
  const none = { kind: 'exact', device: 'it', software: false, fallbackReason: 'this browser has no WebGPU' } as const;
  expect([engineName('auto', gpu), engineName('auto', none)]).toEqual(['WebGPU', 'the exact engine']);
  expect(engineReason('auto', gpu)).toMatch(/^WebGPU has the GPU a GPU\. A small model is tried on both/);
  expect(engineReason('auto', none)).toBe('Here the exact engine: this browser has no WebGPU.');
  // What an earlier run was computed by says nothing of the next one.
  expect(engineName('auto', { ...none, fallbackReason: null })).toBe('WebGPU or the exact engine');
  expect(engineName('auto', { ...gpu, software: true })).toBe('WebGPU or the exact engine');
  expect(engineName('exact', gpu)).toBe('the exact engine');
  expect(engineReason('exact', gpu)).toMatch(/^You chose it/);
});
