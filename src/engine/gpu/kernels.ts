/**
 * Every compute kernel by name. A name is the file's name without `.wgsl`; the contract of a kernel stands on top of
 * its file.
 */

export const KERNELS = {
  // forward

  // backward and optimiser
} as const satisfies Record<string, string>;

export type KernelName = keyof typeof KERNELS;
