/**
 * A real GPU object whose devices come to harm on purpose: they are destroyed at a chosen call, or report that they are out
 * of memory. The loss is real; a full device is played, because really filling one would fill the machine.
 */
import { openNodeGpu } from '../../src/engine/gpu/node';

export class TroubledGpu {
  /** Calls to all devices so far, in the order in which the engine makes them. */
  calls = 0;
  /** Devices are destroyed just before these calls. */
  dieAt = new Set<number>();
  /** Bytes of buffers that a device has; more give an out-of-memory error and an invalid buffer. */
  budget = Infinity;
  /** Most bytes of buffers that any device had at once. */
  peak = 0;
  readonly devices: GPUDevice[] = [];
  private constructor(private readonly real: GPU) {}

  static async open(): Promise<TroubledGpu> {
    return new TroubledGpu(await openNodeGpu());
  }

  /** To be given to `Gpu.open` or `WebGpuEngine.create`. */
  get gpu(): GPU {
    const requestAdapter = async (options?: GPURequestAdapterOptions): Promise<GPUAdapter | null> => {
      const adapter = await this.real.requestAdapter(options);
      if (adapter === null) return null;
      const requestDevice = adapter.requestDevice.bind(adapter);
      adapter.requestDevice = async (descriptor) => {
        const device = await requestDevice(descriptor);
        this.devices.push(device);
        this.watch(device);
        return device;
      };
      return adapter;
    };
    return { requestAdapter, wgslLanguageFeatures: this.real.wgslLanguageFeatures } as unknown as GPU;
  }

  /** Destroys the device in use. */
  destroy(): void {
    this.devices.at(-1)?.destroy();
  }

  private watch(device: GPUDevice): void {
    const call = (): void => {
      if (this.dieAt.has(++this.calls)) device.destroy();
    };
    before(device.queue, 'submit', call);
    before(device.queue, 'writeBuffer', call);
    before(device, 'createComputePipeline', call);
    const createBuffer = device.createBuffer.bind(device);
    const full = reportFullDevice(device);
    let bytes = 0;
    device.createBuffer = (descriptor) => {
      call();
      if (bytes + descriptor.size > this.budget) return full(() => createBuffer({ ...descriptor, usage: 0 }));
      bytes += descriptor.size;
      this.peak = Math.max(this.peak, bytes);
      const buffer = createBuffer(descriptor);
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => {
        bytes -= descriptor.size;
        return destroy();
      };
      if ((descriptor.usage & GPUBufferUsage.MAP_READ) !== 0) {
        const mapAsync = buffer.mapAsync.bind(buffer);
        // Twice: while the copy is under way, and when it is there but not yet read.
        buffer.mapAsync = async (...args) => {
          const mapped = mapAsync(...args);
          call();
          await mapped;
          call();
          return undefined;
        };
      }
      return buffer;
    };
  }
}

function before<K extends string>(target: Record<K, (...args: never[]) => unknown>, name: K, call: () => void): void {
  const method = target[name].bind(target) as (...args: never[]) => unknown;
  target[name] = (...args) => {
    call();
    return method(...args);
  };
}

/** What a device does whose memory is full: returns the function that makes an invalid buffer and says why. */
function reportFullDevice(device: GPUDevice): (make: () => GPUBuffer) => GPUBuffer {
  const scopes: { filter: GPUErrorFilter; error: GPUError | null }[] = [];
  const listeners: ((event: { error: GPUError }) => void)[] = [];
  const push = device.pushErrorScope.bind(device);
  const pop = device.popErrorScope.bind(device);
  const listen = device.addEventListener.bind(device);
  device.pushErrorScope = (filter) => {
    scopes.push({ filter, error: null });
    return push(filter);
  };
  device.popErrorScope = async () => {
    const scope = scopes.pop();
    return (await pop()) ?? scope?.error ?? null;
  };
  device.addEventListener = (type: string, listener: unknown) => {
    if (type === 'uncapturederror') listeners.push(listener as (event: { error: GPUError }) => void);
    listen(type as 'uncapturederror', listener as () => void);
  };
  return (make) => {
    const error = new GPUOutOfMemoryError('the device is full');
    const scope = scopes.findLast(({ filter }) => filter === 'out-of-memory');
    if (scope) scope.error ??= error;
    else for (const listener of listeners) listener({ error });
    push('validation');
    const buffer = make();
    void pop();
    return buffer;
  };
}
