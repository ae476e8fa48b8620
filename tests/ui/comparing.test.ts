/** Comparisons that the page plays: which runs they have, in which order, and how they go on. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunConfig } from '../../src/recipes/config';
import type { RunRecord, RunStatus } from '../../src/store/types';
import {
  collapsePlan,
  keptPlan,
  logsOf,
  nextRun,
  offered,
  plannedRuns,
  presetsOffered,
  seedsOf,
  type ComparisonPlan,
} from '../../src/ui/comparison/plan';

// The page keeps what it shows as Svelte's state; outside a page plain values do.
vi.hoisted(() => {
  const plain = <T>(value: T): T => value;
  Object.assign(globalThis, { $state: Object.assign(plain, { raw: plain }) });
});
const { Comparing } = await import('../../src/ui/comparison/comparing.svelte');

const PLAN: ComparisonPlan = {
  title: 'two recipes',
  preset: 'arithmetic-tiny',
  rows: [
    { recipe: 'debate', name: 'debate', set: {} },
    { recipe: 'majority', name: 'majority', set: {} },
  ],
  seeds: [1, 2],
  engine: 'exact',
  made: 1000,
};

const record = (config: RunConfig, status: RunStatus, created = 2000): RunRecord =>
  ({ id: `${config.recipe}-${config.seed}-${created}`, config, status, created, progress: 0 }) as RunRecord;

/** A lab whose runs do what they are told. */
class FakeLab {
  runs: RunRecord[] = [];
  listed = true;
  busy = false;
  error: string | null = null;
  readonly calls: string[] = [];

  async start(config: RunConfig): Promise<void> {
    this.calls.push(`start ${config.recipe} ${config.seed}`);
    this.busy = true;
    this.runs = [record(config, 'running'), ...this.runs];
  }

  async resume(id: string): Promise<void> {
    this.calls.push(`resume ${id}`);
    this.busy = true;
  }

  end(status: RunStatus): void {
    this.busy = false;
    this.runs = this.runs.map((run) => (run.status === 'finished' ? run : { ...run, status }));
  }
}

const kept = new Map<string, string>();
beforeEach(() => {
  kept.clear();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  });
});

describe('a plan', () => {
  it('has a run for each recipe and seed, and finds those that are stored by their settings', () => {
    const configs = plannedRuns(PLAN, []).map(({ config }) => config);
    expect(configs.map(({ recipe, seed }) => [recipe, seed])).toEqual([
      ['debate', 1],
      ['debate', 2],
      ['majority', 1],
      ['majority', 2],
    ]);
    const [first, second, third] = configs as [RunConfig, RunConfig, RunConfig];
    const stored = [
      record(first, 'finished'),
      // Of an earlier comparison, and with other settings.
      record(second, 'finished', 500),
      record({ ...third, trainProblems: 25 }, 'finished'),
      { ...record(third, 'finished'), imported: true as const },
    ];
    const planned = plannedRuns(PLAN, stored);
    expect(planned.map(({ record: one }) => one?.id ?? null)).toEqual(['debate-1-2000', null, null, null]);
    expect(nextRun(planned)?.seed).toBe(2);
    expect(logsOf(planned, () => []).map(({ recipe, seed }) => [recipe, seed])).toEqual([['debate', 1]]);
  });

  it.each([
    ['1, 2,3', [1, 2, 3]],
    ['7', [7]],
    ['', 'at least one seed'],
    ['1, x', '“x” is no seed'],
    ['1.5', '“1.5” is no seed'],
    ['-1', '“-1” is no seed'],
    ['2 2', 'Seed 2 stands twice'],
    [Array.from({ length: 51 }, (_, n) => n).join(','), 'At most 50 seeds'],
  ])('reads the seeds %j', (text, wanted) => {
    const seeds = seedsOf(text);
    if (typeof wanted === 'string') expect(seeds).toContain(wanted);
    else expect(seeds).toEqual(wanted);
  });

  it('offers what has the preset, says of the others why not, and has no presets in words without a model for them', () => {
    const offers = new Map(offered('strategies-apart-tiny', {}).map((one) => [one.id, one]));
    expect(offers.get('random-split')?.config?.preset).toBe('strategies-apart-tiny');
    expect(offers.get('malt')).toMatchObject({ config: null, problem: 'has no such preset' });
    expect(presetsOffered(false).map(({ name }) => name)).not.toContain('gsm8k');
    expect(presetsOffered(true).map(({ name }) => name)).toContain('gsm8k');
  });

  it('of a collapse has the society without a guard and with it, on the same problems', () => {
    const configs = plannedRuns(collapsePlan('auto', 0), []).map(({ config }) => config);
    expect(configs.map((config) => [config.preset, config.seed, (config as { guard?: object }).guard])).toEqual([
      ['strategies-collapse', 1, undefined],
      ['strategies-collapse', 1, { stop: true }],
    ]);
  });
});

describe('a comparison', () => {
  it('plays one run after the other, and is done when all are', async () => {
    const lab = new FakeLab();
    const comparing = new Comparing(lab);
    comparing.begin(PLAN);
    for (let turn = 0; turn < 6; turn++) {
      await comparing.advance();
      // Said twice, as by two messages: nothing is begun twice.
      await comparing.advance();
      lab.end('finished');
    }
    expect(lab.calls).toEqual(['start debate 1', 'start debate 2', 'start majority 1', 'start majority 2']);
    expect([comparing.going, comparing.waits]).toEqual([false, false]);
  });

  it('goes on after a reload: finished runs stay, the interrupted one is resumed', async () => {
    const lab = new FakeLab();
    const before = new Comparing(lab);
    before.begin(PLAN);
    before.hold();
    lab.end('finished');
    const [, second] = plannedRuns(PLAN, []);
    lab.runs = [record(second!.config, 'running'), ...lab.runs];
    lab.calls.length = 0;
    const reloaded = new Comparing(lab);
    expect([reloaded.going, reloaded.waits]).toEqual([false, true]);
    await reloaded.advance();
    expect(lab.calls).toEqual([]);
    reloaded.goOn();
    await reloaded.advance();
    expect(lab.calls).toEqual(['resume debate-2-2000']);
    lab.end('finished');
    await reloaded.advance();
    expect(lab.calls).toEqual(['resume debate-2-2000', 'start majority 1']);
  });

  it('is held by a run that was stopped or failed, and by an error, and not by one that is on its way', async () => {
    const lab = new FakeLab();
    const comparing = new Comparing(lab);
    comparing.begin(PLAN);
    await comparing.advance();
    // The record is there and the lab has not said yet that it works.
    lab.busy = false;
    await comparing.advance();
    expect([lab.calls, comparing.going]).toEqual([['start debate 1'], true]);
    lab.end('failed');
    await comparing.advance();
    expect([lab.calls, comparing.going, comparing.waits]).toEqual([['start debate 1'], false, true]);
    comparing.goOn();
    await comparing.advance();
    expect(lab.calls.at(-1)).toBe('resume debate-1-2000');
    lab.end('finished');
    lab.error = 'the disk is full';
    await comparing.advance();
    expect(comparing.going).toBe(false);
  });

  it('is forgotten when it is closed, and a plan that this version cannot play is not taken', () => {
    const lab = new FakeLab();
    const comparing = new Comparing(lab);
    comparing.begin(PLAN);
    expect(keptPlan()).toEqual(PLAN);
    for (const wrong of ['{', '7', JSON.stringify({ ...PLAN, rows: [{ recipe: 'moon', name: 'moon', set: {} }] })]) {
      kept.set([...kept.keys()][0]!, wrong);
      expect(keptPlan()).toBeNull();
    }
    comparing.close();
    expect([kept.size, comparing.plan]).toEqual([0, null]);
  });
});
