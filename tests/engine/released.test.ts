/** What a closed or lost engine leaves behind in Node: nothing. Its device, buffers and host copies can be collected. (Deno has no collection on demand.) */
import { beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../../src/engine/gpu/device';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { ResilientEngine } from '../../src/engine/resilient';
import type { EngineOptions } from '../../src/engine/types';
import { collectGarbage } from '../../tools/soak/memory';
import { readGolden, type Golden } from './golden';
import { doWork } from './societyWork';
import { TroubledGpu } from './troubledGpu';

const OPTIONS: EngineOptions = { maxRows: 3, maxAdapters: 5, maxRank: 8, maxLength: 40 };
const CYCLES = 2;
/** A collection may need some turns: bindings let go of native objects between two. */
const MOST_COLLECTIONS = 50;

let golden: Golden;
beforeAll(async () => {
  golden = await readGolden('llama');
});

/** Notes the devices of a GPU and all their buffers without holding them. */
function tracked(gpu: GPU, made: WeakRef<object>[]): GPU {
  const requestAdapter = async (options?: GPURequestAdapterOptions): Promise<GPUAdapter | null> => {
    const adapter = await gpu.requestAdapter(options);
    if (adapter === null) return null;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      made.push(new WeakRef(device));
      const createBuffer = device.createBuffer.bind(device);
      device.createBuffer = (wanted) => {
        const buffer = createBuffer(wanted);
        made.push(new WeakRef(buffer));
        return buffer;
      };
      return device;
    };
    return adapter;
  };
  return { requestAdapter, wgslLanguageFeatures: gpu.wgslLanguageFeatures } as unknown as GPU;
}

/** Collects until nothing of what was made is left, or patience ends; resolves with how many are left. */
async function left(made: readonly WeakRef<object>[]): Promise<number> {
  const living = (): number => made.filter((ref) => ref.deref() !== undefined).length;
  for (let turn = 0; turn < MOST_COLLECTIONS; turn++) {
    // A reference that was read stays until the turn of the event loop ends.
    await new Promise((resolve) => setTimeout(resolve, 5));
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (living() === 0) return 0;
  }
  return living();
}

/** Everything that several cycles made; nothing else of them is held when it resolves. */
async function cycles(one: (troubled: TroubledGpu, gpu: GPU) => Promise<object | void>): Promise<WeakRef<object>[]> {
  const made: WeakRef<object>[] = [];
  for (let i = 0; i < CYCLES; i++) {
    const troubled = await TroubledGpu.open();
    const engine = await one(troubled, tracked(troubled.gpu, made));
    if (engine) made.push(new WeakRef(engine));
  }
  expect(made.length).toBeGreaterThanOrEqual(CYCLES);
  return made;
}

describe('what can be collected', () => {
  it('is a device that was closed', async () => {
    const made = await cycles(async (_, gpu) => {
      const device = await Gpu.open(gpu);
      await device.read(device.upload('numbers', Float32Array.of(1, 2)));
      device.destroy();
      return device;
    });
    expect(await left(made)).toBe(0);
  });

  it('is a device that was lost and that nobody closed', async () => {
    const made = await cycles(async (troubled, gpu) => {
      const device = await Gpu.open(gpu);
      troubled.destroy();
      await device.lost;
      return device;
    });
    expect(await left(made)).toBe(0);
  });

  it('is an engine that could not be made', async () => {
    const failures: string[] = [];
    const made = await cycles(async (troubled, gpu) => {
      troubled.dieAt.add(60);
      await WebGpuEngine.create(gpu, golden.weights, OPTIONS).catch((error: Error) => void failures.push(error.name));
    });
    expect(failures).toEqual(['DeviceLostError', 'DeviceLostError']);
    expect(await left(made)).toBe(0);
  });

  it('is an engine that worked and was disposed of', async () => {
    const made = await cycles(async (_, gpu) => {
      const engine = await WebGpuEngine.create(gpu, golden.weights, OPTIONS);
      await doWork(engine, golden);
      await engine.dispose();
      return engine;
    });
    expect(await left(made)).toBe(0);
  });

  it('is every engine that a resilient engine opened, lost ones included', async () => {
    const made = await cycles(async (troubled, gpu) => {
      [300, 700].forEach((call) => troubled.dieAt.add(call));
      const open = (options: EngineOptions) => WebGpuEngine.create(gpu, golden.weights, options);
      const engine = await ResilientEngine.open(open, OPTIONS, { pauses: [0, 0, 0, 0], checkpointSteps: 2 });
      await doWork(engine, golden);
      expect(troubled.devices.length).toBeGreaterThan(1);
      await engine.dispose();
      return engine;
    });
    expect(await left(made)).toBe(0);
  });
});
