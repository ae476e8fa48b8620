/**
 * A WebGPU device with what every part of the engine needs of it: named buffers that are counted, uploads,
 * read-backs and a cache of pipelines. Nothing here knows of transformers.
 */

import { DeviceError, DeviceLostError, MemoryPlanError, NoWebGpuError, PolylogueError, RequestError } from '../errors';
import { adapterTraits } from './adapter';
import { compileKernel, type Kernel, type KernelConstants } from './compile';
import type { KernelName } from './kernels';
import { ReadBack } from './readBack';

/** Uniform block of one dispatch; also the largest alignment any device asks for. */
export const UNIFORM_STRIDE = 256;

/** Milliseconds that the failure of a read may come before the news that the device is lost. */
const LOSS_PATIENCE = 1000;

/** How a device is opened. */
export interface GpuOptions {
  /** Which kernels to use; default by what the device says of itself. */
  tiles?: 'auto' | 'cpu' | 'gpu' | undefined;
  /** Products with packed weights; default f16 where a GPU has it. */
  arithmetic?: 'auto' | 'f32' | 'f16' | undefined;
}

export class Gpu {
  /** Bytes of all living buffers that `buffer` made. */
  bytesAllocated = 0;
  /** Buffers ever made, whatever for: this stands still while a prepared engine works. */
  buffersCreated = 0;
  /** Resolves with the reason when the device is gone; stays pending after `destroy`. */
  readonly lost: Promise<DeviceLostError>;
  private readonly kernels = new Map<string, Kernel>();
  private readonly reading: ReadBack;
  private uniformBytes = 0;
  private failure: PolylogueError | null = null;
  private destroyed = false;
  /** Operations in progress: how each is told that the device is gone. */
  private readonly guarded = new Set<(loss: DeviceLostError) => void>();

  private constructor(
    readonly device: GPUDevice,
    /** For people: vendor, architecture and description of the adapter. */
    readonly description: string,
    /** A software rasteriser, or to be treated as one: other kernels are quick there. */
    readonly isCpu: boolean,
    /** Of forward products with packed weights. */
    readonly arithmetic: 'f32' | 'f16',
  ) {
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      this.buffersCreated++;
      return createBuffer(descriptor);
    };
    this.reading = new ReadBack(device);
    device.addEventListener('uncapturederror', this.onUncaptured);
    this.lost = new Promise((resolve) => {
      void device.lost.then((info) => {
        if (this.destroyed) return;
        const loss = new DeviceLostError(`the GPU device was lost (${info.reason}): ${info.message}`);
        // Whatever went wrong before, a new device is what is needed now.
        this.failure = loss;
        this.stopListening();
        resolve(loss);
        for (const reject of this.guarded) reject(loss);
      });
    });
  }

  /**
   * Opens the default adapter with its largest buffer limits.
   * @throws NoWebGpuError when there is no adapter or it refuses a device, RequestError when f16 is asked for and it has none
   */
  static async open(gpu: GPU, options: GpuOptions = {}): Promise<Gpu> {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null) {
      throw new NoWebGpuError('WebGPU is present but offers no adapter (no usable graphics driver)');
    }
    const { limits } = adapter;
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({
        requiredFeatures: adapter.features.has('shader-f16') ? ['shader-f16'] : [],
        requiredLimits: {
          maxBufferSize: limits.maxBufferSize,
          maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        },
      });
    } catch (error) {
      throw new NoWebGpuError(`the adapter gives no device: ${(error as Error).message}`, { cause: error });
    }
    const { description, isCpu, arithmetic } = adapterTraits(adapter, options.tiles);
    const wanted = options.arithmetic ?? 'auto';
    if (wanted === 'f16' && arithmetic !== 'f16') {
      device.destroy();
      throw new RequestError(`arithmetic: f16 is not possible on ${description}; use auto or f32`);
    }
    return new Gpu(device, description, isCpu, wanted === 'f32' ? 'f32' : arithmetic);
  }

  /**
   * A zeroed storage buffer of at least 4 bytes that can be copied from and to.
   * @throws MemoryPlanError when it is larger than one binding of this device may be.
   */
  buffer(label: string, bytes: number, extraUsage: GPUBufferUsageFlags = 0): GPUBuffer {
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    if (size > this.bufferLimit) {
      throw new MemoryPlanError(`${label} needs ${size} bytes in one buffer; this device allows ${this.bufferLimit}`);
    }
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | extraUsage;
    const buffer = this.device.createBuffer({ label, size, usage });
    this.bytesAllocated += size;
    return buffer;
  }

  /** The parameters of a recorded program; to be let go with `destroyUniforms`. */
  uniforms(label: string, data: Uint32Array): GPUBuffer {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const buffer = this.device.createBuffer({ label, size: data.byteLength, usage });
    this.uniformBytes += buffer.size;
    this.write(buffer, data);
    return buffer;
  }

  destroyUniforms(buffer: GPUBuffer): void {
    this.uniformBytes -= buffer.size;
    buffer.destroy();
  }

  /** A storage buffer holding `data`. */
  upload(label: string, data: ArrayBufferView): GPUBuffer {
    const buffer = this.buffer(label, data.byteLength);
    this.write(buffer, data);
    return buffer;
  }

  /** Queued write; `data.byteLength` and `byteOffset` are multiples of 4. */
  write(buffer: GPUBuffer, data: ArrayBufferView, byteOffset = 0): void {
    if (data.byteLength === 0) return;
    this.device.queue.writeBuffer(buffer, byteOffset, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Queued fill with zero bytes; whole buffer by default. */
  zero(buffer: GPUBuffer, byteOffset = 0, bytes = buffer.size - byteOffset): void {
    const encoder = this.device.createCommandEncoder();
    encoder.clearBuffer(buffer, byteOffset, bytes);
    this.device.queue.submit([encoder.finish()]);
  }

  /**
   * Copy of a range of a buffer after everything queued so far has run. What is too long to be staged at once comes piece by
   * piece: nothing may be queued meanwhile that changes it.
   * @throws DeviceLostError when the device is lost, DeviceError when any earlier command was invalid, MemoryPlanError when
   * it had no memory for one
   */
  async read(buffer: GPUBuffer, byteOffset = 0, bytes = buffer.size - byteOffset): Promise<ArrayBuffer> {
    this.check();
    try {
      return await this.reading.read(buffer, byteOffset, bytes, () => this.check());
    } catch (error) {
      throw await this.explained(error, buffer.label);
    }
  }

  /** Waits until everything queued so far has run. @throws as `read` */
  async finished(): Promise<void> {
    await this.guard(() => this.device.queue.onSubmittedWorkDone());
    this.check();
  }

  /**
   * Runs an operation on the device; when the device is lost meanwhile it rejects at once, whatever the operation waits for.
   * @throws DeviceLostError
   */
  async guard<T>(operation: () => Promise<T>): Promise<T> {
    this.check();
    let tell: (loss: DeviceLostError) => void = () => {};
    const loss = new Promise<never>((_, reject) => this.guarded.add((tell = reject)));
    try {
      return await Promise.race([operation(), loss]);
    } catch (error) {
      throw this.failure instanceof DeviceLostError ? this.failure : error;
    } finally {
      this.guarded.delete(tell);
    }
  }

  /**
   * Makes buffers. Resolves with null, or with the driver's words when it has no memory for them; then they are the
   * caller's to destroy.
   * @throws what `make` throws; DeviceLostError
   */
  async allocate(make: () => void): Promise<string | null> {
    this.check();
    this.device.pushErrorScope('out-of-memory');
    let popped: Promise<GPUError | null>;
    try {
      make();
    } finally {
      popped = this.device.popErrorScope();
      // Where `make` throws, nobody waits for it.
      popped.catch(() => {});
    }
    const error = await this.guard(() => popped);
    this.check();
    return error && firstLine(error.message);
  }

  destroyBuffer(buffer: GPUBuffer): void {
    this.bytesAllocated -= buffer.size;
    buffer.destroy();
  }

  /**
   * The compiled kernel for these constants, from the cache when it was asked for before. Constants replace the
   * kernel's `override` declarations as text, so they may size private arrays and loops unroll over them.
   * @throws DeviceError when a constant is missing or unknown (a mistake of the caller).
   */
  kernel(name: KernelName, constants: KernelConstants = {}): Kernel {
    const key = `${name} ${JSON.stringify(Object.entries(constants).sort())}`;
    let kernel = this.kernels.get(key);
    if (kernel === undefined) {
      kernel = compileKernel(this.device, name, key, constants);
      this.kernels.set(key, kernel);
    }
    return kernel;
  }

  pipeline(name: KernelName, constants: KernelConstants = {}): GPUComputePipeline {
    return this.kernel(name, constants).pipeline;
  }

  /** Bytes that one buffer may have: all of it is bound. */
  get bufferLimit(): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.device.limits;
    return Math.min(maxStorageBufferBindingSize, maxBufferSize);
  }

  /** Bytes of the other living buffers: parameters of recorded programs, staging. */
  get bytesBeside(): number {
    return this.uniformBytes + this.reading.bytes;
  }

  /** `enable f16;` may stand in a kernel. */
  get hasF16(): boolean {
    return this.device.features.has('shader-f16');
  }

  /** @throws as `read` */
  check(): void {
    if (this.failure !== null) throw this.failure;
  }

  destroy(): void {
    this.destroyed = true;
    this.failure ??= new DeviceError('the device was closed');
    this.stopListening();
    this.reading.destroy();
    this.device.destroy();
  }

  /** Dawn's bindings hold a listener as long as they live: with it the device, its buffers and the engine would stay. */
  private stopListening(): void {
    this.device.removeEventListener('uncapturederror', this.onUncaptured);
  }

  private readonly onUncaptured = (event: Event): void => {
    this.failure ??= uncaptured((event as GPUUncapturedErrorEvent).error);
  };

  /** The reason why a buffer could not be read: that the device is lost may be known a moment later. */
  private async explained(error: unknown, buffer: string): Promise<PolylogueError> {
    const waited = new Promise<null>((resolve) => setTimeout(resolve, LOSS_PATIENCE, null));
    if (this.failure === null) await Promise.race([this.lost, waited]);
    if (this.failure !== null) return this.failure;
    return new DeviceError(`reading ${buffer}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** An error that no scope was there for. */
function uncaptured(error: GPUError): PolylogueError {
  if (!(error instanceof GPUOutOfMemoryError)) return new DeviceError(`WebGPU: ${error.message}`);
  return new MemoryPlanError(
    `the device has no memory left (${firstLine(error.message)}); fewer rows (maxRows), shorter sequences (maxLength), smaller ` +
      'training batches or a smaller format of the weights (dtype) need less',
  );
}

/** Drivers add their call stack. */
function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').trim();
}
