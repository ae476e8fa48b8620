import { expect, it } from 'vitest';
import { resolveConfig } from '../../src/recipes/resolve';
import { engineInWords } from '../../src/engine/describe';
import {
  activityText,
  engineName,
  engineReason,
  engineText,
  pointsRange,
  rangeText,
  remainingText,
  settingsText,
  sinceKnown,
  unbroken,
} from '../../src/ui/format';

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

it('leaves out iterations and training problems where nothing is learnt', () => {
  expect(settingsText(resolveConfig('arithmetic-tiny', { evaluationProblems: 100 }, 'debate'))).toMatch(
    /^[^·]+ · Arithmetic, tiny · 3 agents · 2 debate rounds · 100 held-out problems · seed 0$/,
  );
});

it('says the unit of a range once where both ends have it', () => {
  expect(rangeText('5 s', '35 s')).toBe('5 to 35 s');
  expect(rangeText('80 s', '2 min')).toBe('80 s to 2 min');
  expect(remainingText({ secondsRange: [100, 260] })).toBe('2 to 4 min left');
  expect(remainingText({ secondsRange: [100, 110] })).toBe('about 2 min left');
});

it('keeps a number and its percent sign in one line, and a p value', () => {
  expect(unbroken('61 % (95 % interval, McNemar p = 0.03)')).toBe(
    '61\u00a0% (95\u00a0% interval, McNemar p\u00a0=\u00a00.03)',
  );
  expect(unbroken('p values below 1')).toBe('p values below 1');
});

it('says the ends of an interval with their signs', () => {
  expect(pointsRange([-0.01, 0.0751])).toBe('−1.0 to +7.5');
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
  // Settings that only the exact engine can meet.
  expect(engineReason('auto', gpu, true)).toMatch(/^Here the exact engine: these settings need/);
  expect(engineReason('webgpu', gpu, true)).toBe('You chose it, but these settings need the exact engine.');
  expect(engineReason('exact', gpu, true)).toBe(engineReason('exact', gpu));
});

it('keeps why there is no GPU when an engine was asked for that needs no reason', () => {
  const exact = (fallbackReason: string | null) =>
    ({ kind: 'exact', device: 'it', software: false, fallbackReason }) as const;
  const gpu = { ...exact(null), kind: 'webgpu' } as const;
  expect(sinceKnown(exact('no WebGPU'), exact(null))).toEqual(exact('no WebGPU'));
  expect(sinceKnown(exact('no WebGPU'), exact('it was lost'))).toEqual(exact('it was lost'));
  expect(sinceKnown(exact('no WebGPU'), gpu)).toBe(gpu);
  expect(sinceKnown(null, exact(null))).toEqual(exact(null));
});

it('names an engine of a log for people', () => {
  expect(engineInWords('exact: arithmetic 1')).toBe('the exact engine, arithmetic 1');
  expect(engineInWords('webgpu: nvidia ampere, products in f16')).toBe('webgpu: nvidia ampere, products in f16');
});
