import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { digestOf } from '../../src/log/digest';
import { LogError } from '../../src/log/errors';
import { drawInt } from '../../src/random';
import { ReplayingSociety } from '../../src/recipes/replay';
import { FakeSociety, logOf, smallConfig } from './fakeSociety';

/** An undisturbed run and the adapter states behind each adapter-updated event. */
async function undisturbed(overrides: Record<string, string | number>) {
  const society = new FakeSociety();
  const states = new Map<string, string>();
  const config = smallConfig(overrides);
  const events = await logOf(society, config, undefined, (event) => {
    if (event.type === 'adapter-updated') {
      states.set(`${event.adapter} ${event.iteration}`, society.states.get(event.adapter) as string);
    }
  });
  return { config, events, states, asked: society.asked.length };
}

async function resumed(run: Awaited<ReturnType<typeof undisturbed>>, cut: number) {
  // As a store gives it back.
  const recorded = JSON.parse(JSON.stringify(run.events.slice(0, cut))) as RunEvent[];
  const stored = new Set(
    recorded.flatMap((event) => (event.type === 'adapter-updated' ? [`${event.adapter} ${event.iteration}`] : [])),
  );
  const inner = new FakeSociety();
  const replaying = new ReplayingSociety(inner, recorded, (adapter, iteration) => {
    const key = `${adapter} ${iteration}`;
    expect(stored).toContain(key);
    inner.states.set(adapter, run.states.get(key) as string);
    return Promise.resolve();
  });
  const events = await logOf(replaying, run.config);
  return { events, inner, replaying };
}

describe('resuming', () => {
  it.each([
    ['from the current adapters', {}],
    ['from the base', { startFrom: 'base' }],
    ['with new problems', { problems: 'fresh', iterations: 3 }],
    ['without baseline, three rounds', { singleAgentBaseline: 'false', rounds: 3 }],
  ])('gives the log of an undisturbed run wherever it was cut (%s)', async (_, overrides) => {
    const run = await undisturbed(overrides as Record<string, string | number>);
    const digest = digestOf(run.events);
    const cuts = Array.from({ length: 40 }, (_, i) => drawInt({ seed: 5, stream: 99 }, i, run.events.length + 1));
    const updates = run.events.flatMap((event, index) => (event.type === 'adapter-updated' ? [index, index + 1] : []));
    for (const cut of new Set([0, 1, ...cuts, ...updates, run.events.length])) {
      const { events } = await resumed(run, cut);
      expect(events).toEqual(run.events);
      expect(digestOf(events)).toBe(digest);
    }
  });

  it('asks the model only for what the log lacks', async () => {
    const run = await undisturbed({});
    const whole = await resumed(run, run.events.length);
    expect(whole.inner.asked).toEqual([]);
    expect(whole.inner.finetuned).toEqual([]);
    expect(whole.inner.created).toEqual([]);
    expect(whole.replaying.replaying).toBe(true);
    const second = run.events.findIndex((event) => event.type === 'iteration-started' && event.iteration === 2);
    const half = await resumed(run, second);
    expect(half.inner.finetuned.length).toBe(1);
    expect(half.inner.created).toEqual([]);
    expect(half.inner.asked.length).toBeLessThan(run.asked / 2);
    expect(half.replaying.replaying).toBe(false);
  });

  it('redoes an interrupted finetuning from the adapters of the iteration before', async () => {
    const run = await undisturbed({});
    const step = run.events.findIndex(
      (event) => event.type === 'training-step' && event.iteration === 2 && event.step === 1,
    );
    const { inner, events } = await resumed(run, step);
    expect(events).toEqual(run.events);
    expect(inner.finetuned.length).toBe(1);
  });

  it('refuses a log of other problems', async () => {
    const run = await undisturbed({});
    await expect(resumed({ ...run, config: smallConfig({ seed: 1 }) }, run.events.length)).rejects.toThrow(LogError);
  });
});
