/** Which engine a small model gets: that of the faster trial, found once. */
import { beforeAll, expect, it } from 'vitest';
import { DeviceError } from '../../src/engine/errors';
import { FasterEngine, isSmall } from '../../src/engine/faster';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { shapeConfig } from '../../src/engine/shapes';
import { collect, openModelStream } from '../../src/engine/stream';
import type { Engine, ModelWeights } from '../../src/engine/types';

let weights: ModelWeights;
beforeAll(async () => {
  weights = await collect(await openModelStream(folderSource('static/models/arithmetic-0.4m')));
});

/** Engines whose generations take as many milliseconds as they are told, by a clock of their own. */
class Trial {
  clock = 0;
  opened: string[] = [];
  disposed: string[] = [];
  readonly faster = new FasterEngine(() => this.clock);

  opener(name: string, milliseconds: number): () => Promise<Engine> {
    return async () => {
      this.opened.push(name);
      const engine = await ReferenceEngine.create(weights);
      engine.generate = async () => {
        this.clock += milliseconds;
        return [];
      };
      engine.dispose = async () => void this.disposed.push(name);
      return Object.assign(engine, { name });
    };
  }

  open(gpu: number, processor: number) {
    return this.faster.open('model', this.opener('gpu', gpu), this.opener('exact', processor));
  }
}

it('keeps the faster engine, lets the other go, and says why where that is the processor', async () => {
  const slow = new Trial();
  const { engine, reason } = await slow.open(200, 50);
  expect(engine).toMatchObject({ name: 'exact' });
  expect(slow.disposed).toEqual(['gpu']);
  expect(reason).toMatch(/12,000 tokens a second on the processor and 2,900 on the GPU/);

  const fast = new Trial();
  expect(await fast.open(50, 200)).toMatchObject({ engine: { name: 'gpu' }, reason: null });
  expect(fast.disposed).toEqual(['exact']);
});

it('measures once: what was found holds for the session, though the device is slower later', async () => {
  const trial = new Trial();
  const first = await trial.open(200, 50);
  const again = await trial.open(1, 5000);
  expect(again).toMatchObject({ engine: { name: 'exact' }, reason: first.reason });
  expect(trial.opened).toEqual(['gpu', 'exact', 'exact']);
});

it('takes the GPU where the exact engine does not open, and lets both go when a trial fails', async () => {
  const trial = new Trial();
  const noSimd = async () => {
    throw new DeviceError('no WebAssembly SIMD');
  };
  expect(await trial.faster.open('model', trial.opener('gpu', 1), noSimd)).toMatchObject({ reason: null });
  const broken = async () => {
    const engine = await trial.opener('exact', 1)();
    engine.generate = async () => {
      throw new DeviceError('lost');
    };
    return engine;
  };
  await expect(trial.faster.open('other', trial.opener('gpu', 1), broken)).rejects.toThrow('lost');
  expect(trial.disposed).toEqual(['gpu', 'exact']);
});

it('measures small models alone', () => {
  expect(isSmall(weights.config)).toBe(true);
  expect(isSmall(shapeConfig('SmolLM2-135M'))).toBe(false);
});
