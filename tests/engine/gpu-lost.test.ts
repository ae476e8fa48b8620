/** The loss of a real device, at any call: every operation hears of it, and the resilient engine comes to the same bits. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DeviceError, DeviceLostError, MemoryPlanError } from '../../src/engine/errors';
import { Gpu } from '../../src/engine/gpu/device';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { ResilientEngine, type EngineNotice } from '../../src/engine/resilient';
import type { Engine, EngineOptions } from '../../src/engine/types';
import { drawUint } from '../../src/random';
import { readGolden, type Golden } from './golden';
import { doWork, workJob, workRequests, type WorkRecord } from './societyWork';
import { TroubledGpu } from './troubledGpu';

const OPTIONS: EngineOptions = { maxRows: 3, maxAdapters: 5, maxRank: 8, maxLength: 40 };
const NO_PAUSE = [0, 0, 0, 0];

let golden: Golden;
const open: { dispose(): Promise<void> }[] = [];

beforeAll(async () => {
  golden = await readGolden('llama');
});
// Dawn keeps Node alive while a device is open.
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.dispose();
});

function resilient(troubled: TroubledGpu, options = OPTIONS, onNotice?: (notice: EngineNotice) => void) {
  const engine = ResilientEngine.open(
    async (wanted) => WebGpuEngine.create(troubled.gpu, golden.weights, wanted),
    options,
    { pauses: NO_PAUSE, checkpointSteps: 2, ...(onNotice && { onNotice }) },
  );
  void engine.then(
    (opened) => open.push(opened),
    () => {},
  );
  return engine;
}

describe('a device that is lost', () => {
  it('fails the read in progress, the next one and waiting, and resolves `lost`', async () => {
    const troubled = await TroubledGpu.open();
    const gpu = await Gpu.open(troubled.gpu);
    const buffer = gpu.upload('numbers', Float32Array.of(1, 2, 3));
    const pending = Promise.allSettled([gpu.read(buffer), gpu.finished()]);
    troubled.destroy();
    for (const outcome of await pending) expect(outcome).toMatchObject({ reason: expect.any(DeviceLostError) });
    await expect(gpu.read(buffer)).rejects.toBeInstanceOf(DeviceLostError);
    await expect(gpu.finished()).rejects.toBeInstanceOf(DeviceLostError);
    await expect(gpu.allocate(() => gpu.buffer('more', 4))).rejects.toBeInstanceOf(DeviceLostError);
    expect(() => gpu.check()).toThrow(DeviceLostError);
    expect(await gpu.lost).toBeInstanceOf(DeviceLostError);
    gpu.destroy();
  });

  it('never gives the bytes of a buffer that was mapped and then lost', async () => {
    const troubled = await TroubledGpu.open();
    const gpu = await Gpu.open(troubled.gpu);
    const buffer = gpu.upload('numbers', Float32Array.of(1, 2, 3));
    await gpu.finished();
    const from = troubled.calls;
    await gpu.read(buffer);
    const calls = troubled.calls - from;
    // Staging exists now: submit, map, mapped.
    troubled.dieAt.add(troubled.calls + calls - 1);
    await expect(gpu.read(buffer)).rejects.toBeInstanceOf(DeviceLostError);
    gpu.destroy();
  });

  it('ends an operation that waits for something else than the device', async () => {
    const troubled = await TroubledGpu.open();
    const gpu = await Gpu.open(troubled.gpu);
    const waiting = gpu.guard(() => new Promise(() => {}));
    troubled.destroy();
    await expect(waiting).rejects.toBeInstanceOf(DeviceLostError);
    gpu.destroy();
  });

  it('is another matter than one that was closed', async () => {
    const gpu = await Gpu.open((await TroubledGpu.open()).gpu);
    const buffer = gpu.upload('numbers', Float32Array.of(1));
    gpu.destroy();
    const error: unknown = await gpu.read(buffer).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DeviceError);
    expect(error).not.toBeInstanceOf(DeviceLostError);
  });

  it('fails everything that is asked of the engine, then and later, and can be disposed of', async () => {
    const troubled = await TroubledGpu.open();
    const engine = await WebGpuEngine.create(troubled.gpu, golden.weights, OPTIONS);
    await engine.importAdapter('a', golden.adapter);
    await engine.importAdapter('b', golden.adapter2);
    const ids = golden.sequences[0]!.ids;
    const step = (): Promise<unknown> => engine.train(workJob(golden)).next();
    const asked = (): Promise<unknown>[] => [
      engine.generate(workRequests(golden, 4)),
      engine.score([{ ids, adapter: null }]),
      engine.logits({ ids, adapter: 'a' }),
      step(),
      engine.gradients({ adapter: 'a', examples: golden.sequences, batches: [[0]] }),
      engine.exportAdapter('a'),
      engine.copyAdapter('a', 'c'),
      engine.createAdapter('d', golden.adapter.config, 1),
    ];
    const pending = Promise.allSettled(asked());
    troubled.destroy();
    const later = Promise.allSettled(asked());
    for (const outcome of [...(await pending), ...(await later)]) {
      expect(outcome).toMatchObject({ reason: expect.any(DeviceLostError) });
    }
    await engine.dispose();
  });

  it('is heard of while the engine is being made, kernels are compiled included', async () => {
    const counted = await TroubledGpu.open();
    await (await WebGpuEngine.create(counted.gpu, golden.weights, OPTIONS)).dispose();
    for (const at of [1, Math.floor(counted.calls / 2), counted.calls - 1]) {
      const troubled = await TroubledGpu.open();
      troubled.dieAt.add(at);
      // Either while it is made, or at the first thing it is asked.
      const asked = WebGpuEngine.create(troubled.gpu, golden.weights, OPTIONS).then((engine) => {
        open.push(engine);
        return engine.score([{ ids: [1, 2, 3], adapter: null }]);
      });
      await expect(asked, `call ${at}`).rejects.toBeInstanceOf(DeviceLostError);
    }
  });
});

describe('a resilient engine on a device that is lost', () => {
  let expected: WorkRecord;
  /** Calls of the work without disturbance, and those of opening an engine. */
  let calls: number;
  let opening: number;

  beforeAll(async () => {
    const troubled = await TroubledGpu.open();
    const engine = await WebGpuEngine.create(troubled.gpu, golden.weights, OPTIONS);
    opening = troubled.calls;
    expected = await doWork(engine, golden);
    await engine.dispose();
    const again = await TroubledGpu.open();
    await doWork(await resilient(again), golden);
    calls = again.calls;
  });

  const work = async (points: readonly number[]): Promise<ResilientEngine> => {
    const troubled = await TroubledGpu.open();
    points.forEach((point) => troubled.dieAt.add(point));
    const engine = await resilient(troubled);
    const record = await doWork(engine, golden);
    expect(record, `lost at ${points.join(', ')} of ${calls}`).toEqual(expected);
    expect(engine.mismatches).toBe(0);
    expect(troubled.devices.length).toBeGreaterThan(points.length === 0 ? 0 : 1);
    await engine.dispose();
    return engine;
  };
  const draw = (index: number, below: number): number =>
    1 + (drawUint({ seed: 11, stream: 1, iteration: 0, agent: 0, problem: index, round: 0 }, 0) % below);

  it('does what the engine does when nothing happens', async () => {
    expect((await work([])).recoveries).toBe(0);
  });

  it.each(Array.from({ length: 12 }, (_, group) => group))(
    'generates, trains and keeps adapters to the same bits, wherever it was lost (points %#)',
    async (group) => {
      for (let i = 0; i < 3; i++) await work([draw(3 * group + i, calls)]);
    },
    600_000,
  );

  it.each([0, 1, 2, 3])(
    'does so when it is lost again and again, during recovery too (%#)',
    async (i) => {
      const first = draw(100 + i, calls - opening) + opening;
      // The second loss comes while the new engine is opened or made ready, the third somewhere after.
      await work([first, first + 1 + draw(200 + i, opening), first + 2 * opening + draw(300 + i, calls)]);
    },
    600_000,
  );

  it('says so, and that the run goes on', async () => {
    const notices: EngineNotice[] = [];
    const troubled = await TroubledGpu.open();
    const engine = await resilient(troubled, OPTIONS, (notice) => notices.push(notice));
    const before = await engine.score([{ ids: [1, 2, 3], adapter: null }]);
    troubled.destroy();
    expect(await engine.score([{ ids: [1, 2, 3], adapter: null }])).toEqual(before);
    expect(notices.map(({ kind }) => kind)).toEqual(['device-lost', 'recovered']);
    expect(engine.recoveries).toBe(1);
  });
});

describe('a device with little memory', () => {
  /** Most bytes that an engine takes with so many rows, its work included. */
  const bytesOf = async (maxRows: number, use: (engine: Engine) => Promise<unknown>): Promise<number> => {
    const troubled = await TroubledGpu.open();
    const engine = await WebGpuEngine.create(troubled.gpu, golden.weights, { ...OPTIONS, maxRows });
    await use(engine);
    await engine.dispose();
    return troubled.peak;
  };

  it('is refused in the words of the plan, before the model is read', async () => {
    const troubled = await TroubledGpu.open();
    troubled.budget = 50_000;
    const asked = WebGpuEngine.create(troubled.gpu, golden.weights, OPTIONS);
    await expect(asked).rejects.toBeInstanceOf(MemoryPlanError);
    await expect(asked).rejects.toThrow(/MiB free .*fewer rows \(maxRows\)/);
  });

  it('gets fewer rows, and gives the same results', async () => {
    const undisturbed = await WebGpuEngine.create((await TroubledGpu.open()).gpu, golden.weights, OPTIONS);
    open.push(undisturbed);
    const plain = workRequests(golden, 6).map((request) => ({ ...request, adapter: null }));
    const expected = await undisturbed.generate(plain);
    const small = await bytesOf(64, async () => {});
    const large = await bytesOf(512, async () => {});
    const troubled = await TroubledGpu.open();
    troubled.budget = (small + large) / 2;
    const notices: EngineNotice[] = [];
    const engine = await resilient(troubled, { ...OPTIONS, maxRows: 512 }, (notice) => notices.push(notice));
    expect(engine.options.maxRows).toBeLessThan(512);
    expect(engine.options.maxRows).toBeGreaterThanOrEqual(64);
    expect(notices.length).toBeGreaterThan(0);
    expect(new Set(notices.map(({ kind }) => kind))).toEqual(new Set(['smaller-plan']));
    expect(await engine.generate(plain)).toEqual(expected);
  });

  it('refuses when a single row does not fit, with what would need less', async () => {
    const troubled = await TroubledGpu.open();
    troubled.budget = 50_000;
    const asked = resilient(troubled, { ...OPTIONS, maxRows: 8 });
    await expect(asked).rejects.toThrow(/maxRows 1.*MiB.*maxLength.*int4/);
    // 8, 4, 2, 1
    expect(troubled.devices).toHaveLength(4);
  });

  it('gives the same results or none, wherever memory runs out', async () => {
    const plain = workRequests(golden, 6).map((request) => ({ ...request, adapter: null }));
    let expected: unknown;
    const idle = await bytesOf(4, async () => {});
    const working = await bytesOf(4, async (engine) => (expected = await engine.generate(plain)));
    let succeeded = 0;
    for (let i = 1; i <= 6; i++) {
      const troubled = await TroubledGpu.open();
      troubled.budget = idle + ((working - idle) * i) / 6 - 1;
      const asked = resilient(troubled, { ...OPTIONS, maxRows: 4 }).then((engine) => engine.generate(plain));
      const outcome = await asked.catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(MemoryPlanError);
      else expect(outcome).toEqual(expected);
      if (Array.isArray(outcome)) succeeded++;
    }
    expect(succeeded).toBeGreaterThan(0);
  });

  it('trains in smaller micro-batches', async () => {
    const batch = [0, 1, 2, 3, 4];
    const job = { ...workJob(golden), tracks: [{ adapter: 'a', examples: golden.sequences, batches: [batch, batch] }] };
    const parts = async (accumulation: number): Promise<number> =>
      bytesOf(1, async (engine) => {
        await engine.importAdapter('a', golden.adapter);
        await engine.train({ ...job, optimiser: { ...job.optimiser, accumulation } }).next();
      });
    const whole = await parts(1);
    const half = await parts(2);
    expect(half).toBeLessThan(whole);
    const troubled = await TroubledGpu.open();
    const notices: EngineNotice[] = [];
    const engine = await resilient(troubled, { ...OPTIONS, maxRows: 1 }, (notice) => notices.push(notice));
    await engine.importAdapter('a', golden.adapter);
    troubled.budget = (half + whole) / 2;
    const losses: number[] = [];
    for await (const event of engine.train(job)) losses.push(event.tracks[0]!.loss);
    expect(losses).toHaveLength(2);
    expect(notices.map(({ message }) => message)).toEqual([expect.stringMatching(/in 2 parts instead of 1/)]);
    expect(troubled.devices).toHaveLength(1);
  });
});
