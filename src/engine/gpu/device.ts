/**
 * A WebGPU device with what every part of the engine needs of it: named buffers that are counted, uploads,
 * read-backs and a cache of pipelines. Nothing here knows of transformers.
 */

import { DeviceError, MemoryPlanError, NoWebGpuError } from '../errors';
import { KERNELS, type KernelName } from './kernels';

/** Values for a kernel's `override` declarations. */
export type KernelConstants = Readonly<Record<string, number | boolean>>;

export interface Kernel {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  /** Storage buffers the kernel declares, bindings 1.. */
  storageBindings: number;
}

/** Uniform block of one dispatch; also the largest alignment any device asks for. */
export const UNIFORM_STRIDE = 256;

export class Gpu {
  /** Bytes of all living buffers. */
  bytesAllocated = 0;
  /** Resolves with the reason when the device is gone; stays pending after `destroy`. */
  readonly lost: Promise<DeviceError>;
  private readonly kernels = new Map<string, Kernel>();
  private staging: GPUBuffer | null = null;
  private failure: DeviceError | null = null;
  private destroyed = false;

  private constructor(
    readonly device: GPUDevice,
    /** For people: vendor, architecture and description of the adapter. */
    readonly description: string,
    /** A software rasteriser: kernels may choose another tile shape, never another order of additions. */
    readonly isCpu: boolean,
  ) {
    device.addEventListener('uncapturederror', (event) => {
      this.failure ??= new DeviceError(`WebGPU: ${(event as GPUUncapturedErrorEvent).error.message}`);
    });
    this.lost = new Promise((resolve) => {
      void device.lost.then((info) => {
        if (this.destroyed) return;
        this.failure ??= new DeviceError(`the GPU device was lost (${info.reason}): ${info.message}`);
        resolve(this.failure);
      });
    });
  }

  /**
   * Opens the default adapter with its largest buffer limits.
   * @throws NoWebGpuError when there is no adapter or it refuses a device.
   */
  static async open(gpu: GPU): Promise<Gpu> {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null) {
      throw new NoWebGpuError('WebGPU is present but offers no adapter (no usable graphics driver)');
    }
    const { info, limits } = adapter;
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({
        requiredLimits: {
          maxBufferSize: limits.maxBufferSize,
          maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        },
      });
    } catch (error) {
      throw new NoWebGpuError(`the adapter gives no device: ${(error as Error).message}`, { cause: error });
    }
    const words = [info.vendor, info.architecture, info.device, info.description].filter((word) => word !== '');
    const description = [...new Set(words)].join(' ') || 'unnamed adapter';
    const isCpu = /llvmpipe|swiftshader|lavapipe|basic render/i.test(description) || info.isFallbackAdapter === true;
    return new Gpu(device, description, isCpu);
  }

  /**
   * A zeroed storage buffer of at least 4 bytes that can be copied from and to.
   * @throws MemoryPlanError when it is larger than one binding of this device may be.
   */
  buffer(label: string, bytes: number, extraUsage: GPUBufferUsageFlags = 0): GPUBuffer {
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    const limit = Math.min(this.device.limits.maxStorageBufferBindingSize, this.device.limits.maxBufferSize);
    if (size > limit) {
      throw new MemoryPlanError(`${label} needs ${size} bytes in one buffer; this device allows ${limit}`);
    }
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | extraUsage;
    const buffer = this.device.createBuffer({ label, size, usage });
    this.bytesAllocated += size;
    return buffer;
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
   * Copy of a range of a buffer after everything queued so far has run.
   * @throws DeviceError when the device is lost or any earlier command was invalid.
   */
  async read(buffer: GPUBuffer, byteOffset = 0, bytes = buffer.size - byteOffset): Promise<ArrayBuffer> {
    this.check();
    const staging = this.takeStaging(bytes);
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, byteOffset, staging, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(GPUMapMode.READ, 0, bytes);
    } catch (error) {
      throw this.failure ?? new DeviceError(`reading ${buffer.label}: ${(error as Error).message}`, { cause: error });
    }
    this.check();
    const copy = staging.getMappedRange(0, bytes).slice(0);
    staging.unmap();
    this.giveStaging(staging);
    return copy;
  }

  /** Waits until everything queued so far has run. */
  async finished(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    this.check();
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
      kernel = this.compile(name, key, constants);
      this.kernels.set(key, kernel);
    }
    return kernel;
  }

  pipeline(name: KernelName, constants: KernelConstants = {}): GPUComputePipeline {
    return this.kernel(name, constants).pipeline;
  }

  /** @throws DeviceError when the device is lost or a command was invalid. */
  check(): void {
    if (this.failure !== null) throw this.failure;
  }

  destroy(): void {
    this.destroyed = true;
    this.staging?.destroy();
    this.device.destroy();
  }

  private compile(name: KernelName, label: string, constants: KernelConstants): Kernel {
    const source: string = KERNELS[name];
    const code = substituteConstants(name, source, constants);
    const module = this.device.createShaderModule({ label, code });
    const entries = bindingEntries(source);
    const layout = this.device.createBindGroupLayout({ label, entries });
    const pipeline = this.device.createComputePipeline({
      label,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module },
    });
    return { pipeline, layout, storageBindings: entries.length - 1 };
  }

  private takeStaging(bytes: number): GPUBuffer {
    const staging = this.staging;
    this.staging = null;
    if (staging !== null && staging.size >= bytes) return staging;
    staging?.destroy();
    const size = Math.max(65536, Math.ceil(bytes / 4) * 4);
    return this.device.createBuffer({
      label: 'staging',
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
  }

  /** Keeps one small staging buffer: reading ids every few steps should not allocate. */
  private giveStaging(staging: GPUBuffer): void {
    if (this.staging === null && staging.size <= 1 << 24) this.staging = staging;
    else staging.destroy();
  }
}

/** `override NAME: u32 = 4;` becomes `const NAME: u32 = <value>;`. */
function substituteConstants(name: string, source: string, constants: KernelConstants): string {
  const unused = new Set(Object.keys(constants));
  const code = source.replace(
    /^override\s+(\w+)\s*:\s*(\w+)\s*(?:=\s*([^;]+))?;/gm,
    (_line, constant: string, type: string, fallback: string | undefined) => {
      unused.delete(constant);
      const value = constants[constant] ?? fallback;
      if (value === undefined) throw new DeviceError(`kernel ${name}: constant ${constant} has no value`);
      return `const ${constant}: ${type} = ${type}(${String(value)});`;
    },
  );
  if (unused.size > 0) throw new DeviceError(`kernel ${name}: no constant ${[...unused].join(', ')}`);
  return code;
}

/** Bind group layout from the kernel's own declarations, so a binding a constant switches off stays bindable. */
function bindingEntries(source: string): GPUBindGroupLayoutEntry[] {
  const declarations = source.matchAll(
    /@group\(0\)\s*@binding\((\d+)\)\s*var<(uniform|storage)(?:,\s*(read_write|read))?>/g,
  );
  return [...declarations].map(([, binding, space, access]) => ({
    binding: Number(binding),
    visibility: GPUShaderStage.COMPUTE,
    buffer: {
      type: space === 'uniform' ? 'uniform' : access === 'read_write' ? 'storage' : 'read-only-storage',
    },
  }));
}
