/**
 * A recorded list of dispatches and copies that can be replayed: one uniform buffer holds the parameters of all
 * dispatches, bind groups are made once. What changes from one replay to the next lives in storage buffers.
 */

import { DeviceError } from '../errors';
import { Commands, type Dispatch } from './commands';
import type { Kernel, KernelConstants } from './compile';
import { UNIFORM_STRIDE, type Gpu } from './device';
import type { KernelName } from './kernels';

/** Workgroups that one dimension of a dispatch may have on every device. */
const MAX_GROUPS = 65535;

/** A whole storage buffer, or a range of one (byte offset a multiple of 256). */
export type Binding = GPUBuffer | { buffer: GPUBuffer; offset: number; size: number };
/** A field of a kernel's `Params`: a plain number is u32. */
export type Param = number | { f32: number };

interface Recorded extends Dispatch {
  kernel: Kernel;
  label: string;
  bindings: Binding[];
}
type Step = Recorded | ((encoder: GPUCommandEncoder) => void);

export class Program {
  private readonly steps: Step[] = [];
  private readonly params: Uint32Array[] = [];
  private uniforms: GPUBuffer | null = null;

  constructor(
    private readonly gpu: Gpu,
    readonly label: string,
  ) {}

  /**
   * Records a dispatch. `bindings` are the kernel's storage buffers from binding 1 on; `params` are the fields of its
   * `Params` struct in order (four bytes each); `groups` are workgroups in x, y, z (nothing is recorded when one is 0).
   * A buffer bound for writing must not be bound a second time in the same dispatch, not even another range of it.
   * @param operations of the whole dispatch (a multiply-add is two), where they are many: long work is submitted in parts
   * @throws DeviceError when bindings, params or groups do not fit (a mistake of the caller).
   */
  add(
    name: KernelName,
    constants: KernelConstants,
    bindings: Binding[],
    params: Param[],
    groups: [number, number?, number?],
    operations = 0,
  ): void {
    const kernel = this.gpu.kernel(name, constants);
    const label = `${this.label} ${name}`;
    if (bindings.length !== kernel.storageBindings) {
      throw new DeviceError(`${label}: ${bindings.length} buffers given, ${kernel.storageBindings} declared`);
    }
    if (params.length * 4 > UNIFORM_STRIDE) throw new DeviceError(`${label}: ${params.length} parameters`);
    const [x, y = 1, z = 1] = groups;
    if (x === 0 || y === 0 || z === 0) return;
    if (Math.max(x, y, z) > this.gpu.device.limits.maxComputeWorkgroupsPerDimension) {
      throw new DeviceError(`${label}: ${x}×${y}×${z} workgroups`);
    }
    this.changeable();
    const { pipeline } = kernel;
    this.steps.push({ kernel, label, bindings, pipeline, groups: [x, y, z], operations, bindGroup: null });
    this.params.push(packParams(params));
  }

  copy(source: GPUBuffer, sourceOffset: number, target: GPUBuffer, targetOffset: number, bytes: number): void {
    this.changeable();
    this.steps.push((encoder) => encoder.copyBufferToBuffer(source, sourceOffset, target, targetOffset, bytes));
  }

  /** Fills a range with zero bytes; whole buffer by default. */
  clear(buffer: GPUBuffer, byteOffset = 0, bytes = buffer.size - byteOffset): void {
    this.changeable();
    this.steps.push((encoder) => encoder.clearBuffer(buffer, byteOffset, bytes));
  }

  /** Appends the recorded work; the first call seals the program. */
  encode(commands: Commands): void {
    this.seal();
    for (const step of this.steps) {
      if (typeof step === 'function') commands.outside(step);
      else commands.dispatch(step);
    }
  }

  submit(): void {
    const commands = new Commands(this.gpu.device, this.label);
    this.encode(commands);
    commands.submit();
  }

  /** Frees the parameters; the buffers bound belong to their makers. */
  dispose(): void {
    if (this.uniforms !== null) this.gpu.destroyUniforms(this.uniforms);
    this.steps.length = 0;
  }

  private changeable(): void {
    if (this.uniforms !== null) throw new DeviceError(`${this.label}: recorded into after it ran`);
  }

  private seal(): void {
    if (this.uniforms !== null) return;
    const { device } = this.gpu;
    const packed = new Uint32Array((Math.max(1, this.params.length) * UNIFORM_STRIDE) / 4);
    this.params.forEach((words, i) => packed.set(words, (i * UNIFORM_STRIDE) / 4));
    const uniforms = this.gpu.uniforms(`${this.label} params`, packed);
    this.uniforms = uniforms;
    let index = 0;
    for (const step of this.steps) {
      if (typeof step === 'function') continue;
      step.bindGroup = device.createBindGroup({
        label: step.label,
        layout: step.kernel.layout,
        entries: [
          { binding: 0, resource: { buffer: uniforms, offset: index * UNIFORM_STRIDE, size: UNIFORM_STRIDE } },
          ...step.bindings.map((binding, i) => ({
            binding: i + 1,
            resource: 'offset' in binding ? binding : { buffer: binding },
          })),
        ],
      });
      index++;
    }
  }
}

/**
 * Programs by what they were recorded for. Each holds a bind group per dispatch and its parameters on the device, so only the
 * last used are kept: sizes that differ from call to call must not fill a device over a long run.
 */
export class ProgramCache {
  private readonly programs = new Map<string, Program>();

  constructor(
    private readonly gpu: Gpu,
    /** Programs kept. */
    readonly limit: number,
  ) {}

  get size(): number {
    return this.programs.size;
  }

  /** The program of this key, recorded if it is not there; to be encoded or submitted before the next is asked for. */
  get(key: string, record: (program: Program) => void): Program {
    let program = this.programs.get(key);
    if (program === undefined) {
      program = new Program(this.gpu, key);
      record(program);
      for (const oldest of this.programs.keys()) {
        if (this.programs.size < this.limit) break;
        this.drop(oldest);
      }
    } else {
      this.programs.delete(key);
    }
    // A map keeps the order of insertion: the last used stands last.
    this.programs.set(key, program);
    return program;
  }

  clear(): void {
    for (const key of [...this.programs.keys()]) this.drop(key);
  }

  private drop(key: string): void {
    this.programs.get(key)?.dispose();
    this.programs.delete(key);
  }
}

function packParams(params: Param[]): Uint32Array {
  const words = new Uint32Array(params.length);
  const floats = new Float32Array(words.buffer);
  params.forEach((param, i) => {
    if (typeof param === 'number') words[i] = param;
    else floats[i] = param.f32;
  });
  return words;
}

/** Workgroups for `items` in `perGroup`, folded into y where one dimension is too short. */
export function flatGroups(items: number, perGroup: number): [number, number] {
  const groups = Math.ceil(items / perGroup);
  const x = Math.min(groups, MAX_GROUPS);
  return [x, x === 0 ? 0 : Math.ceil(groups / x)];
}
