/** The measurement behind a run's estimated minutes, on the reference engine with the embedded model. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import type { Engine } from '../../src/engine/types';
import { measureSpeed, SpeedMeter } from '../../src/lab/progress/speed';
import { READING_COST, secondsOf } from '../../src/lab/progress/estimate';
import { resolveConfig } from '../../src/recipes/resolve';
import { loadModel } from '../engine/loadModel';

const config = resolveConfig('arithmetic-tiny', { agents: 2, chunk: 2 });
let engine: Engine;

beforeAll(async () => {
  const folder = fileURLToPath(new URL('../../static/models/arithmetic-0.4m/', import.meta.url));
  const { weights } = await loadModel(folderSource(folder));
  engine = await ReferenceEngine.create(weights, { maxRows: 4, maxAdapters: 5, maxRank: config.adapter.rank });
});

describe('measureSpeed', () => {
  it('times generation and training, and leaves no adapter behind', async () => {
    const speed = await measureSpeed(engine, config, new AbortController().signal);
    expect(speed.secondsPerGeneratedToken).toBeGreaterThan(0);
    expect(speed.secondsPerTrainedToken).toBeGreaterThan(0);
    expect(engine.adapters()).toEqual([]);
  }, 30_000);

  it('can be given up', async () => {
    const abort = new AbortController();
    const measuring = measureSpeed(engine, config, abort.signal);
    abort.abort();
    await expect(measuring).rejects.toThrow();
    expect(engine.adapters()).toEqual([]);
  });
});

describe('SpeedMeter', () => {
  it('measures once, and again after it was given up', async () => {
    const meter = new SpeedMeter();
    let opened = 0;
    const open = async () => {
      opened++;
      return engine;
    };
    const abandoned = meter.measure(config, 'reference', open);
    const rejected = expect(abandoned).rejects.toThrow(/given up/);
    await meter.abandon();
    await rejected;
    const first = await meter.measure(config, 'reference', open);
    expect(await meter.measure({ ...config, seed: 9 }, 'reference', open)).toBe(first);
    expect(opened).toBeLessThanOrEqual(2);
    expect(first).toMatchObject({ kind: 'reference', adapters: 5, rank: config.adapter.rank });
    expect(first.bytes.total).toBeGreaterThan(0);
    expect(secondsOf({ generatedTokens: 100, trainedTokens: 10, readTokens: 20 }, first)).toBeCloseTo(
      100 * first.secondsPerGeneratedToken + (10 + 20 * READING_COST) * first.secondsPerTrainedToken,
    );
  }, 30_000);

  it('says why it was given up, whatever the engine says', async () => {
    const meter = new SpeedMeter();
    let begun = (): void => {};
    const measuring = new Promise<void>((resolve) => (begun = resolve));
    // As one behind a port does: a signal's reason does not go through.
    const remote = new Proxy(engine, {
      get: (target, name) => {
        if (name === 'generate')
          return async (_requests: unknown, { signal }: { signal: AbortSignal }) => {
            begun();
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            throw new DOMException('signal is aborted without reason', 'AbortError');
          };
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const abandoned = meter.measure(config, 'reference', async () => remote);
    const rejected = expect(abandoned).rejects.toThrow('The measurement was given up because a run was started.');
    await measuring;
    await meter.abandon();
    await rejected;
  });
});
