import { describe, expect, it } from 'vitest';
import { bytesText } from '../../src/ui/bytes';
import { withGhost } from '../../src/ui/readings/ghost';
import { accuracyByIteration } from '../../src/ui/readings/results';
import { indexLog } from '../../src/ui/readings/logIndex';
import { changesSince } from '../../src/ui/readings/runList';
import { progressTitle } from '../../src/ui/presence.svelte';
import { resolveConfig } from '../../src/recipes/resolve';
import type { LabStatus } from '../../src/lab/types';
import { evaluation, started } from './logs';

describe('the list of runs', () => {
  it('says what differs from the run before, shortly', () => {
    const before = resolveConfig('arithmetic-tiny', { seed: 7 });
    expect(changesSince(before, before)).toBe('same settings');
    expect(changesSince(before, resolveConfig('arithmetic-tiny', { seed: 8, agents: 5 }))).toBe('seed 7 → 8, N 3 → 5');
    const far = resolveConfig('arithmetic-quick', { seed: 8, agents: 5, rounds: 3, 'sampling.temperature': 0.5 });
    expect(changesSince(before, far)).toMatch(/^seed 7 → 8, N 3 → 5, M 2 → 3, .+, \d more$/);
  });

  it('writes sizes as browsers do', () => {
    expect([0, 999, 1_234_567, 10_700_000_000].map(bytesText)).toEqual(['0 B', '999 B', '1.2 MB', '10.7 GB']);
  });
});

describe('a pinned run', () => {
  it("lies under the run's own curves, without error bars", () => {
    const log = [
      started(),
      evaluation('base', 0, ['1100', '1100', '1110']),
      evaluation('society', 1, ['1111', '1110', '1111']),
    ];
    const own = accuracyByIteration(indexLog(log));
    const data = withGhost(own, { name: 'old otter', events: [...log] });
    const ghosts = data.series.filter(({ ghost }) => ghost);
    expect(ghosts.map(({ label }) => label)).toContain('old otter: Society finetuning, debate');
    expect(ghosts.every(({ points }) => points.every(({ low }) => low === undefined))).toBe(true);
    expect(data.series.slice(ghosts.length)).toEqual(own.series);
    expect(withGhost(own, null)).toBe(own);
  });
});

describe("the tab's title", () => {
  const status: LabStatus = {
    state: 'running',
    runId: 'r',
    activity: { kind: 'finetune', iteration: 2, step: 1, totalSteps: 9, adapters: [] },
    progress: 0.623,
    secondsLeft: 250,
    secondsRange: [240, 260],
    engine: null,
  };
  it('tells how far the run is, and nothing when none is', () => {
    expect(progressTitle(status, 3)).toBe('62 % · iteration 2/3 · about 4 min left');
    expect(progressTitle({ ...status, secondsRange: [100, 260] }, 3)).toContain('2 to 4 min left');
    expect(progressTitle({ ...status, state: 'paused', secondsLeft: null, secondsRange: null }, 3)).toBe(
      '62 % · paused · iteration 2/3',
    );
    expect(progressTitle({ ...status, state: 'idle' }, 3)).toBe('');
  });
});
