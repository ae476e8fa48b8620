/**
 * A device that records what it is asked to do and computes nothing: real shapes at real sizes can be counted where no GPU is.
 */
import { kernelCode, type KernelConstants } from '../compile';
import { UNIFORM_STRIDE, type Gpu } from '../device';
import type { KernelName } from '../kernels';

/** One dispatch as it would reach the device. */
export interface CountedDispatch {
  kernel: KernelName;
  constants: KernelConstants;
  /** Workgroups in x, y, z. */
  groups: [number, number, number];
  /** Words of the kernel's `Params`, and zeros after them. */
  params: Uint32Array;
  /** Bytes of its storage bindings, the first one's at 0. */
  sizes: number[];
}

/** What was asked for since the tally was made or cleared. */
export class Tally {
  readonly dispatches: CountedDispatch[] = [];
  submissions = 0;
  /** Bytes of the largest buffer. */
  largest = 0;

  clear(): void {
    this.dispatches.length = 0;
    this.submissions = 0;
  }
}

interface CountedBuffer {
  label: string;
  size: number;
  /** Of uniforms. */
  words?: Uint32Array;
}

interface CountedKernel {
  name: KernelName;
  constants: KernelConstants;
}

type Resource = CountedBuffer | { buffer: CountedBuffer; offset?: number; size?: number };

/**
 * @param isCpu which kernels are recorded: those for software drivers, or those for GPUs
 * @param bufferLimit bytes of a binding
 * @param arithmetic of products with packed weights
 */
export function countingGpu(
  tally: Tally,
  isCpu: boolean,
  bufferLimit = Infinity,
  arithmetic: 'f32' | 'f16' = isCpu ? 'f32' : 'f16',
): Gpu {
  const buffer = (label: string, size: number): CountedBuffer => {
    tally.largest = Math.max(tally.largest, size);
    return { label, size };
  };
  let kernel: CountedKernel | null = null;
  let bound: Pick<CountedDispatch, 'params' | 'sizes'> = { params: new Uint32Array(), sizes: [] };
  const pass = {
    setPipeline: (pipeline: CountedKernel) => (kernel = pipeline),
    setBindGroup: (_: number, group: typeof bound) => (bound = group),
    dispatchWorkgroups: (...groups: [number, number, number]) => {
      if (kernel) tally.dispatches.push({ kernel: kernel.name, constants: kernel.constants, groups, ...bound });
    },
    end: () => {},
  };
  const encoder = {
    beginComputePass: () => pass,
    clearBuffer: () => {},
    copyBufferToBuffer: () => {},
    finish: () => null,
  };
  const device = {
    // More than the default, so that what is too much is seen by who counts and not refused.
    limits: { maxComputeWorkgroupsPerDimension: Infinity },
    queue: { submit: () => tally.submissions++ },
    createCommandEncoder: () => encoder,
    createBindGroup: ({ entries }: { entries: { resource: Resource }[] }) => boundTo(entries.map((e) => e.resource)),
  };
  const gpu = {
    device,
    isCpu,
    arithmetic,
    bufferLimit,
    bytesAllocated: 0,
    buffer,
    upload: (label: string, data: ArrayBufferView) => buffer(label, data.byteLength),
    uniforms: (label: string, words: Uint32Array) => ({ ...buffer(label, words.byteLength), words }),
    destroyBuffer: () => {},
    destroyUniforms: () => {},
    write: () => {},
    read: async (_: object, __: number, bytes: number) => {
      // The copy to where the host can see it.
      tally.submissions++;
      return new ArrayBuffer(bytes);
    },
    allocate: async (make: () => void) => {
      make();
      return null;
    },
    kernel: (name: KernelName, constants: KernelConstants) => ({
      pipeline: { name, constants },
      layout: null,
      storageBindings: kernelCode(name, constants).match(/var<storage/g)?.length,
    }),
  };
  return gpu as unknown as Gpu;
}

/** Parameters and sizes of what is bound; binding 0 has the parameters. */
function boundTo(resources: Resource[]): Pick<CountedDispatch, 'params' | 'sizes'> {
  const whole = resources.map((resource) => ('buffer' in resource ? resource : { buffer: resource }));
  const [uniforms, ...storage] = whole as { buffer: CountedBuffer; offset?: number; size?: number }[];
  const first = (uniforms?.offset ?? 0) / 4;
  const params = uniforms?.buffer.words?.slice(first, first + UNIFORM_STRIDE / 4) ?? new Uint32Array();
  return { params, sizes: storage.map(({ buffer, size }) => size ?? buffer.size) };
}
