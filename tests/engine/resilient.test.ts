/** The resilient engine over engines that are lost at every possible moment, and over devices with too little room. */
import { beforeAll, describe, expect, it } from 'vitest';
import { DeviceLostError, FileError, MemoryPlanError, NoWebGpuError, RequestError } from '../../src/engine/errors';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { ResilientEngine, type EngineNotice, type ResilienceOptions } from '../../src/engine/resilient';
import type { Engine, EngineOptions, TrainJob, TrainStepEvent } from '../../src/engine/types';
import { drawUint } from '../../src/random';
import { folderSource } from '../../src/engine/loader-node';
import { conformance } from './conformance';
import { readGolden, type Golden } from './golden';
import { loadModel } from './loadModel';
import { Fate, mortal } from './mortalEngine';
import { doWork, workJob, workRequests, type WorkRecord } from './societyWork';

const OPTIONS: EngineOptions = { maxRows: 3, maxAdapters: 5, maxRank: 8, maxLength: 40 };
const PAUSES = [0, 0, 0];

conformance('the resilient engine', async (dir, options) => {
  const { weights } = await loadModel(folderSource(dir));
  return ResilientEngine.open((wanted) => ReferenceEngine.create(weights, wanted), options, { checkpointSteps: 3 });
});

let golden: Golden;
let expected: WorkRecord;

beforeAll(async () => {
  golden = await readGolden('llama');
  expected = await doWork(await reference(), golden);
});

function reference(options = OPTIONS): Promise<Engine> {
  return ReferenceEngine.create(golden.weights, options);
}

function resilient(fate: Fate, more: ResilienceOptions = {}): Promise<ResilientEngine> {
  const open = async (options: EngineOptions): Promise<Engine> => mortal(await reference(options), fate);
  return ResilientEngine.open(open, OPTIONS, { pauses: PAUSES, checkpointSteps: 2, ...more });
}

async function collect(steps: AsyncGenerator<TrainStepEvent, void, void>): Promise<TrainStepEvent[]> {
  const all: TrainStepEvent[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

describe('an engine that is lost', () => {
  const count = async (): Promise<number> => {
    const fate = new Fate();
    expect(await doWork(await resilient(fate), golden)).toEqual(expected);
    return fate.moment;
  };

  it('comes to the same bits whenever it was lost, and leaves no engine open', async () => {
    const moments = await count();
    expect(moments).toBeGreaterThan(80);
    for (let moment = 1; moment <= moments; moment++) {
      const fate = new Fate();
      fate.fatal.add(moment);
      const engine = await resilient(fate);
      expect(await doWork(engine, golden), `lost at moment ${moment}`).toEqual(expected);
      expect(engine).toMatchObject({ recoveries: 1, mismatches: 0 });
      await engine.dispose();
      expect(fate.disposed, `lost at moment ${moment}`).toBe(2);
    }
  });

  it('does so when it is lost again during recovery', async () => {
    const moments = await count();
    for (let i = 0; i < 40; i++) {
      const draw = (below: number, problem: number): number =>
        1 + (drawUint({ seed: i, stream: 1, iteration: 0, agent: 0, problem, round: 0 }, 0) % below);
      const fate = new Fate();
      const first = draw(moments, 0);
      [first, first + draw(6, 1), first + 6 + draw(moments, 2)].forEach((moment) => fate.fatal.add(moment));
      expect(await doWork(await resilient(fate), golden), `lost at ${[...fate.fatal].join(', ')}`).toEqual(expected);
    }
  });

  it('asks only for the rows that have not ended', async () => {
    const fate = new Fate();
    const engine = await resilient(fate);
    await engine.importAdapter('a', golden.adapter);
    await engine.importAdapter('b', golden.adapter2);
    const requests = workRequests(golden, 6);
    const ended: number[] = [];
    // In the middle of the generation.
    fate.fatal.add(fate.moment + 18);
    await engine.generate(requests, { onRow: (row) => ended.push(row) });
    expect(ended.slice().sort()).toEqual([0, 1, 2, 3, 4, 5]);
    const again = fate.generated[1]!;
    expect(again.length).toBeLessThan(6);
    const before = ended.slice(0, 6 - again.length);
    expect(again).toEqual(requests.filter((_, row) => !before.includes(row)));
  });

  it('goes on from the last checkpoint and yields no step twice', async () => {
    const fate = new Fate();
    const engine = await resilient(fate);
    await engine.importAdapter('a', golden.adapter);
    const batches = Array.from({ length: 9 }, (_, step) => [step % 5]);
    const job: TrainJob = { ...workJob(golden), tracks: [{ adapter: 'a', examples: golden.sequences, batches }] };
    const steps: number[] = [];
    for await (const { step } of engine.train(job)) {
      steps.push(step);
      if (step === 4) fate.fatal.add(fate.moment + 1);
    }
    expect(steps).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(fate.trained.map((asked) => asked.resume?.step)).toEqual([undefined, 4]);
    expect(fate.trained[1]?.resume?.states.get('a')?.step).toBe(4);
  });

  it('continues a job that was itself continued', async () => {
    const job = workJob(golden);
    const prepare = async (engine: Engine): Promise<TrainJob> => {
      await engine.importAdapter('a', golden.adapter);
      await engine.importAdapter('b', golden.adapter2);
      for await (const { step } of engine.train(job)) if (step === 0) break;
      const states = new Map([
        ['a', (await engine.optimiserState('a'))!],
        ['b', (await engine.optimiserState('b'))!],
      ]);
      return { ...job, resume: { step: 1, states } };
    };
    const plain = await reference();
    const wanted = await collect(plain.train(await prepare(plain)));
    const fate = new Fate();
    const engine = await resilient(fate);
    const resumed = await prepare(engine);
    fate.fatal.add(fate.moment + 3);
    expect(await collect(engine.train(resumed))).toEqual(wanted);
    expect(await engine.optimiserState('a')).toEqual(await plain.optimiserState('a'));
    expect(engine.recoveries).toBe(1);
  });

  it('counts repeated steps that came out differently, and says so', async () => {
    const fate = new Fate();
    const notices: EngineNotice[] = [];
    let opened = 0;
    const open = async (options: EngineOptions): Promise<Engine> => {
      const engine = mortal(await reference(options), fate);
      const off = opened++ === 0 ? 0 : 1e-6;
      return {
        ...engine,
        train: async function* (job: TrainJob) {
          for await (const event of engine.train(job)) {
            yield { ...event, tracks: event.tracks.map((track) => ({ ...track, loss: track.loss + off })) };
          }
        },
      };
    };
    const engine = await ResilientEngine.open(open, OPTIONS, { pauses: PAUSES, onNotice: (n) => notices.push(n) });
    await engine.importAdapter('a', golden.adapter);
    await engine.importAdapter('b', golden.adapter2);
    for await (const { step } of engine.train(workJob(golden))) if (step === 2) fate.fatal.add(fate.moment + 1);
    expect(engine.mismatches).toBe(3);
    expect(notices.map(({ kind }) => kind)).toEqual(['device-lost', 'recovered']);
    expect(notices[1]?.message).toMatch(/nothing of the log is lost.* 3 repeated training steps came out differently/);
  });

  it('says so when another device goes on, and nothing when it is the same', async () => {
    const fate = new Fate();
    const notices: EngineNotice[] = [];
    const infos = [{}, {}, { device: 'other', arithmetic: 'f16', cache: 'f16' }] as const;
    let opened = 0;
    const open = async (options: EngineOptions): Promise<Engine> => {
      const engine = mortal(await reference(options), fate);
      return { ...engine, info: { ...engine.info, device: 'first', ...infos[opened++] } };
    };
    const engine = await ResilientEngine.open(open, OPTIONS, { pauses: PAUSES, onNotice: (n) => notices.push(n) });
    for (let loss = 0; loss < 2; loss++) {
      fate.fatal.add(fate.moment + 1);
      await engine.generate(workRequests(golden, 1));
    }
    const said = notices.filter(({ kind }) => kind === 'recovered').map(({ message }) => message);
    expect(said[0]).toMatch(/nothing of the log is lost\.$/);
    expect(said[1]).toContain(
      'Until then it was computed on webgpu: first; what follows is computed on webgpu: other, products and adapters in f16, keys and values in f16, ' +
        'so it need not repeat bit for bit.',
    );
    expect(engine.info.device).toBe('other');
  });

  it('gives up after some losses without progress, and works again when the device does', async () => {
    const fate = new Fate();
    const engine = await resilient(fate);
    await engine.importAdapter('a', golden.adapter);
    const request = workRequests(golden, 2).slice(1);
    for (let moment = 1; moment < 1000; moment++) fate.fatal.add(fate.moment + moment);
    await expect(engine.generate(request)).rejects.toBeInstanceOf(DeviceLostError);
    // Three attempts at restoring the adapter after the first loss.
    expect(fate.disposed).toBe(1 + PAUSES.length);
    const job = { ...workJob(golden), tracks: workJob(golden).tracks.slice(0, 1) };
    await expect(collect(engine.train(job))).rejects.toBeInstanceOf(DeviceLostError);
    fate.fatal.clear();
    const plain = await reference();
    await plain.importAdapter('a', golden.adapter);
    expect(await engine.generate(request)).toEqual(await plain.generate(request));
    expect(await engine.exportAdapter('a')).toEqual(golden.adapter);
  });

  it('goes on through any number of losses while there is progress', async () => {
    const fate = new Fate();
    const engine = await resilient(fate, { checkpointSteps: 1 });
    await engine.importAdapter('a', golden.adapter);
    await engine.importAdapter('b', golden.adapter2);
    const job = workJob(golden);
    const plain = await reference();
    await plain.importAdapter('a', golden.adapter);
    await plain.importAdapter('b', golden.adapter2);
    const steps: TrainStepEvent[] = [];
    for await (const step of engine.train(job)) {
      steps.push(step);
      fate.fatal.add(fate.moment + 1);
    }
    expect(steps).toEqual(await collect(plain.train(job)));
    expect(engine.recoveries).toBe(job.tracks[0]!.batches.length - 1);
  });

  it('tries again to open one, stops when the run is stopped, and ends with the reason of the last attempt', async () => {
    const fate = new Fate();
    let failures = 0;
    let failing = 2;
    const open = async (options: EngineOptions): Promise<Engine> => {
      if (fate.moment > 0 && failing-- > 0) {
        failures++;
        throw new NoWebGpuError('no adapter while the driver starts');
      }
      return mortal(await reference(options), fate);
    };
    const engine = await ResilientEngine.open(open, OPTIONS, { pauses: PAUSES });
    const [request] = workRequests(golden, 1);
    fate.fatal.add(2);
    await engine.generate([request!]);
    expect(failures).toBe(2);
    failing = 1000;
    fate.fatal.add(fate.moment + 1);
    await expect(engine.generate([request!])).rejects.toThrow('no adapter while the driver starts');
    expect(failures).toBe(2 + PAUSES.length);

    const waiting = await ResilientEngine.open(open, OPTIONS, { pauses: [0, 1e8] }).catch((error: unknown) => error);
    expect(waiting).toBeInstanceOf(NoWebGpuError);
    failing = 0;
    const patient = await ResilientEngine.open(open, OPTIONS, { pauses: [0, 1e8] });
    failing = 1;
    fate.fatal.add(fate.moment + 1);
    const stop = new AbortController();
    const asked = patient.generate([request!], { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('stopped by the user')), 20);
    await expect(asked).rejects.toThrow('stopped by the user');
  });

  it('is not replaced by one of another kind in the middle of a run', async () => {
    const fate = new Fate();
    const open = async (options: EngineOptions): Promise<Engine> =>
      fate.moment === 0 ? mortal(await reference(options), fate) : reference(options);
    const engine = await ResilientEngine.open(open, OPTIONS, { pauses: PAUSES });
    fate.fatal.add(1);
    await expect(engine.score([{ ids: [1, 2], adapter: null }])).rejects.toThrow(/only the reference engine/);
  });

  it('passes refusals on as they are', async () => {
    const fate = new Fate();
    const engine = await resilient(fate);
    await expect(engine.score([{ ids: [1], adapter: null }])).rejects.toBeInstanceOf(RequestError);
    await expect(engine.exportAdapter('nobody')).rejects.toBeInstanceOf(RequestError);
    await expect(engine.optimiserState('nobody')).rejects.toBeInstanceOf(RequestError);
    await expect(engine.train(workJob(golden)).next()).rejects.toBeInstanceOf(RequestError);
    expect(engine).toMatchObject({ recoveries: 0 });
    const missing = ResilientEngine.open(() => Promise.reject(new FileError('model', 'no such file')), OPTIONS);
    await expect(missing).rejects.toBeInstanceOf(FileError);
    await engine.dispose();
    await expect(engine.score([{ ids: [1, 2], adapter: null }])).rejects.toThrow(/closed/);
  });

  it('keeps what a training that was left, stopped or replaced had done', async () => {
    const job = workJob(golden);
    const fate = new Fate();
    const engine = await resilient(fate, { checkpointSteps: 100 });
    const plain = await reference();
    for (const one of [engine, plain]) {
      await one.importAdapter('a', golden.adapter);
      await one.importAdapter('b', golden.adapter2);
      for await (const { step } of one.train(job)) if (step === 1) break;
    }
    fate.fatal.add(fate.moment + 1);
    expect(await engine.exportAdapter('a')).toEqual(await plain.exportAdapter('a'));
    expect(await engine.optimiserState('b')).toEqual(await plain.optimiserState('b'));

    const abort = new AbortController();
    const steps = engine.train({ ...job, signal: abort.signal });
    await steps.next();
    abort.abort(new Error('stopped'));
    await expect(steps.next()).rejects.toThrow('stopped');
    const kept = await engine.exportAdapter('a');
    fate.fatal.add(fate.moment + 1);
    expect(await engine.exportAdapter('a')).toEqual(kept);

    const replaced = engine.train(job);
    await replaced.next();
    await engine.importAdapter('a', golden.adapter);
    fate.fatal.add(fate.moment + 1);
    expect(await engine.exportAdapter('a')).toEqual(golden.adapter);
    await expect(replaced.next()).rejects.toThrow(/replaced or deleted/);
  });
});

describe('a device with too little room', () => {
  const needing = (most: number) => {
    const rows: (number | undefined)[] = [];
    const open = async (options: EngineOptions): Promise<Engine> => {
      rows.push(options.maxRows);
      if ((options.maxRows ?? 64) > most) throw new MemoryPlanError(`the device has no ${options.maxRows} MiB free`);
      return reference(options);
    };
    return { rows, open };
  };

  it('is opened with half as many rows until they fit, and the user is told', async () => {
    const { rows, open } = needing(5);
    const notices: EngineNotice[] = [];
    const engine = await ResilientEngine.open(open, { ...OPTIONS, maxRows: 48 }, { onNotice: (n) => notices.push(n) });
    expect(rows).toEqual([48, 24, 12, 6, 3]);
    expect(engine.options.maxRows).toBe(3);
    expect(notices.map(({ kind }) => kind)).toEqual(Array(4).fill('smaller-plan'));
    expect(notices[0]?.message).toBe(
      'The device has no 48 MiB free. Going on with 24 instead of 48 rows at a time: slower, with the same results.',
    );
    expect(await doWork(engine, golden)).toEqual(expected);
  });

  it('is refused when one row does not fit, with the number and the settings', async () => {
    const { rows, open } = needing(0);
    const asked = ResilientEngine.open(open, { ...OPTIONS, maxRows: 4 });
    await expect(asked).rejects.toBeInstanceOf(MemoryPlanError);
    await expect(asked).rejects.toThrow(/maxRows 1.*no 1 MiB free.*maxLength.*dtype/);
    expect(rows).toEqual([4, 2, 1]);
  });

  it('generates with fewer rows when memory runs out on the way, and keeps the rows that ended', async () => {
    const asked: number[] = [];
    const open = async (options: EngineOptions): Promise<Engine> => {
      const engine = await reference(options);
      return Object.assign(Object.create(engine) as Engine, {
        generate: (...[requests, how]: Parameters<Engine['generate']>) => {
          asked.push(requests.length);
          return engine.generate(requests, {
            ...how,
            onRow: (row, result) => {
              how?.onRow?.(row, result);
              if ((options.maxRows ?? 64) > 1) throw new MemoryPlanError('the device has no memory left');
            },
          });
        },
      });
    };
    const engine = await ResilientEngine.open(open, { ...OPTIONS, maxRows: 4 });
    const requests = workRequests(golden, 6).map((request) => ({ ...request, adapter: null }));
    const results = await engine.generate(requests);
    expect(results).toEqual(await (await reference()).generate(requests));
    expect(asked).toEqual([6, 5, 4]);
    expect(engine.options.maxRows).toBe(1);
  });

  const batchesOf = (least: number) => {
    const asked: number[] = [];
    let opened = 0;
    const open = async (options: EngineOptions): Promise<Engine> => {
      opened++;
      const engine = await reference(options);
      return Object.assign(Object.create(engine) as Engine, {
        train: async function* (job: TrainJob) {
          asked.push(job.optimiser.accumulation);
          if (job.optimiser.accumulation < least) throw new MemoryPlanError('a training batch does not fit');
          yield* engine.train(job);
        },
      });
    };
    return { asked, open, opened: () => opened };
  };
  const job = (): TrainJob => ({
    ...workJob(golden),
    tracks: [
      {
        adapter: 'a',
        examples: golden.sequences,
        batches: [
          [0, 1, 2],
          [3, 4],
        ],
      },
    ],
  });

  it('trains in smaller micro-batches on the same engine', async () => {
    const { asked, open, opened } = batchesOf(3);
    const notices: EngineNotice[] = [];
    const engine = await ResilientEngine.open(open, OPTIONS, { onNotice: (notice) => notices.push(notice) });
    await engine.importAdapter('a', golden.adapter);
    const plain = await reference();
    await plain.importAdapter('a', golden.adapter);
    expect(await collect(engine.train(job()))).toEqual(await collect(plain.train(job())));
    // Doubled up to the largest batch.
    expect(asked).toEqual([1, 2, 3]);
    expect(opened()).toBe(1);
    expect(notices.map(({ kind }) => kind)).toEqual(['smaller-plan', 'smaller-plan']);
  });

  it('refuses to train when a single example does not fit', async () => {
    const { asked, open } = batchesOf(4);
    const engine = await ResilientEngine.open(open, OPTIONS);
    await engine.importAdapter('a', golden.adapter);
    const asking = collect(engine.train(job()));
    await expect(asking).rejects.toBeInstanceOf(MemoryPlanError);
    await expect(asking).rejects.toThrow(/does not fit; even one example.*accumulation 3.*maxRows/);
    expect(asked).toEqual([1, 2, 3]);
    expect(await engine.exportAdapter('a')).toEqual(golden.adapter);
  });
});
