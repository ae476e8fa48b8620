/** What a download says of itself, on a clock that the test turns. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ProgressMeter, RecentSpeed, type DownloadProgress } from '../../src/models/progress';
import type { Clock } from '../../src/models/retry';

/** Time passes only in `pass`, which lets sleepers wake in order. */
class HandClock implements Clock {
  #now = 0;
  #sleepers: { at: number; wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { at: this.#now + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal.reason);
      });
    });
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [next] = this.#sleepers.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at);
      if (!next) break;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      this.#now = next.at;
      next.wake();
      await Promise.resolve();
    }
    this.#now = end;
    await Promise.resolve();
  }

  get sleeping(): number {
    return this.#sleepers.length;
  }
}

describe('RecentSpeed', () => {
  it('is that of the last seconds', () => {
    const speed = new RecentSpeed(0, 500);
    expect(speed.measure(400, 900)).toBeNull();
    expect(speed.measure(1000, 1500)).toBe(1000);
    for (let second = 2; second <= 20; second++) speed.measure(1000 * second, 1500 + 10 * (second - 1));
    expect(speed.measure(21_000, 1700)).toBeCloseTo(10, 8);
  });

  it('is unknown while nothing comes', () => {
    const speed = new RecentSpeed(0);
    expect(speed.measure(5000, 0)).toBeNull();
  });
});

describe('ProgressMeter', () => {
  let clock: HandClock;
  let reports: DownloadProgress[];
  let meter: ProgressMeter;
  const done = () => reports.map(({ doneBytes }) => doneBytes);
  beforeEach(() => {
    clock = new HandClock();
    reports = [];
    meter = new ProgressMeter(clock, (progress) => reports.push(progress));
    meter.start('download', 0, 1000);
  });

  it('reports a few times a second, and what came last before a silence as well', async () => {
    for (let i = 0; i < 25; i++) {
      await clock.pass(10);
      meter.add(4);
    }
    const before = reports.length;
    expect(before).toBeGreaterThan(1);
    expect(before).toBeLessThanOrEqual(4);
    expect(done().at(-1)).toBeLessThan(100);
    await clock.pass(30_000);
    expect(done().at(-1)).toBe(100);
    expect(reports.length).toBe(before + 1);
    expect(clock.sleeping).toBe(0);
  });

  it('says nothing old after a change of phase, nor after its end', async () => {
    await clock.pass(10);
    meter.add(4);
    meter.waiting();
    expect(reports.at(-1)).toMatchObject({ phase: 'waiting', doneBytes: 4 });
    await clock.pass(1000);
    meter.add(4);
    expect(reports.at(-1)).toMatchObject({ phase: 'download', doneBytes: 8 });
    await clock.pass(10);
    meter.add(4);
    meter.start('verify', 0, 1000);
    await clock.pass(1000);
    expect(reports.at(-1)).toMatchObject({ phase: 'verify', doneBytes: 0 });
    meter.add(1);
    meter.add(1);
    const before = reports.length;
    meter.stop();
    await clock.pass(1000);
    expect(reports.length).toBe(before);
    expect(clock.sleeping).toBe(0);
  });

  it('reckons the time left by the speed', async () => {
    for (let i = 0; i < 10; i++) {
      await clock.pass(200);
      meter.add(20);
    }
    expect(reports.at(-1)).toMatchObject({ doneBytes: 200, bytesPerSecond: 100, secondsLeft: 8 });
  });
});
