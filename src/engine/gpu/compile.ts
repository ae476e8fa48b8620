/** From a kernel's text to its pipeline: constants and fragments are put in, the layout is read off its declarations. */

import { DeviceError } from '../errors';
import { FRAGMENTS, KERNELS, VARIANTS, type KernelName } from './kernels';

/** Values for a kernel's `override` declarations; those of `VARIANTS` name what takes the place of a line such as `//@weights`. */
export type KernelConstants = Readonly<Record<string, number | boolean | string>>;

export interface Kernel {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  /** Storage buffers the kernel declares, bindings 1.. */
  storageBindings: number;
}

/** @throws DeviceError when a constant is missing or unknown (a mistake of the caller) */
export function compileKernel(device: GPUDevice, name: KernelName, label: string, constants: KernelConstants): Kernel {
  const code = kernelCode(name, constants);
  const module = device.createShaderModule({ label, code });
  const entries = bindingEntries(code);
  const layout = device.createBindGroupLayout({ label, entries });
  const pipeline = device.createComputePipeline({
    label,
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module },
  });
  return { pipeline, layout, storageBindings: entries.length - 1 };
}

/**
 * A kernel's text as the device gets it: fragments in place, `override NAME: u32 = 4;` become `const NAME: u32 = <value>;`.
 * @throws DeviceError when a constant is missing or unknown (a mistake of the caller)
 */
export function kernelCode(name: KernelName, constants: KernelConstants): string {
  const unused = new Set(Object.keys(constants));
  const code = include(name, KERNELS[name], constants, unused).replace(
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

/** The line `//@name` becomes the fragment of this name, or of several (`VARIANTS`) the one that a constant names. */
function include(name: string, source: string, constants: KernelConstants, unused: Set<string>): string {
  return source.replace(/^\/\/@(\w+)$/gm, (_line, fragment: string) => {
    const variant = Object.hasOwn(VARIANTS, fragment) ? VARIANTS[fragment] : undefined;
    if (variant) unused.delete(variant.constant);
    const key = variant ? String(constants[variant.constant]) : fragment;
    const texts = variant?.texts ?? FRAGMENTS;
    const text = Object.hasOwn(texts, key) ? texts[key] : undefined;
    if (text === undefined) throw new DeviceError(`kernel ${name}: there is nothing for //@${fragment} (${key})`);
    return include(name, text, constants, unused);
  });
}

/** Bind group layout from what the kernel declares, so a binding a constant switches off stays bindable. */
function bindingEntries(code: string): GPUBindGroupLayoutEntry[] {
  const declarations = code.matchAll(
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
