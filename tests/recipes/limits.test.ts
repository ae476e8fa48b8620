/** Settings of a run: each just within its bound and just above, and what they make together. */
import { describe, expect, it } from 'vitest';
import { RUN_LIMITS } from '../../src/engine/limits';
import { checkConfig, resolveConfig } from '../../src/recipes/resolve';
import { estimateWork } from '../../src/recipes/work';
import { ConfigurationError } from '../../src/recipes/errors';

const ALONE: [key: string, max: number][] = [
  ['agents', RUN_LIMITS.agents.max],
  ['rounds', RUN_LIMITS.rounds.max],
  ['iterations', RUN_LIMITS.iterations.max],
  ['trainProblems', RUN_LIMITS.problems.max],
  ['evaluationProblems', RUN_LIMITS.problems.max],
  ['sampling.maxTokens', RUN_LIMITS.responseTokens.max],
  ['adapter.rank', RUN_LIMITS.rank.max],
  ['finetune.epochs', RUN_LIMITS.epochs.max],
  ['finetune.batchSize', RUN_LIMITS.batch.max],
  ['chunk', RUN_LIMITS.problems.max],
];
/** So small that each setting alone may have its largest value. */
const SMALL = { agents: 2, rounds: 1, iterations: 1, trainProblems: 1, evaluationProblems: 1, 'finetune.epochs': 1 };

describe('a setting', () => {
  it.each(ALONE)('%s may be %d and no more', (key, max) => {
    const small = { ...SMALL, singleAgentBaseline: false };
    expect(() => resolveConfig('arithmetic-tiny', { ...small, [key]: max })).not.toThrow();
    const above = () => resolveConfig('arithmetic-tiny', { ...small, [key]: max + 1 });
    expect(above).toThrow(ConfigurationError);
    expect(above).toThrow(new RegExp(`^${key.replace('.', '\\.')}: ${max + 1} `));
  });
});

describe('settings together', () => {
  it('ask for so many responses and no more', () => {
    // 10 agents, 10 rounds: 100 responses a problem; 1 + 1 evaluations and one training.
    const settings = { ...SMALL, agents: 10, rounds: 10, singleAgentBaseline: false, trainProblems: 20_000 };
    const config = resolveConfig('arithmetic-tiny', { ...settings, evaluationProblems: 40_000 });
    expect(estimateWork(config).calls).toBe(RUN_LIMITS.responses.max);
    const above = () => resolveConfig('arithmetic-tiny', { ...settings, evaluationProblems: 40_001 });
    expect(above).toThrow(ConfigurationError);
    expect(above).toThrow(
      /^problems × iterations × seats × rounds: 10,000,200 responses in all are above the limit of 10,000,000; lower agents, rounds, iterations, trainProblems or evaluationProblems/,
    );
    // As a stored run or a link says it.
    expect(() => checkConfig({ ...config, evaluationProblems: 40_001 })).toThrow(/10,000,200 responses/);
  });

  it('train on so many sequences and no more', () => {
    // Two agents without revisions: two tracks.
    const settings = { ...SMALL, singleAgentBaseline: false, trainProblems: 50_000, iterations: 1 };
    expect(() => resolveConfig('arithmetic-tiny', { ...settings, 'finetune.epochs': 1000 })).not.toThrow();
    const above = () =>
      resolveConfig('arithmetic-tiny', { ...settings, trainProblems: 50_001, 'finetune.epochs': 1000 });
    expect(above).toThrow(
      /^finetune\.epochs × iterations × trainProblems: 100,002,000 sequences to train on in all are above/,
    );
  });
});
