/** WebGPU in Node: Dawn's bindings (`webgpu` on npm) on whatever Vulkan driver there is, a software one if need be. */

import { existsSync, readdirSync } from 'node:fs';
import { constants, platform, setPriority } from 'node:os';
import { NoWebGpuError } from '../errors';

/** Software drivers in the order tried: Mesa's lavapipe (wider SIMD), then SwiftShader as Chromium ships it. */
const DRIVER_FOLDERS = ['/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
const SWIFTSHADER = ['/usr/lib/chromium/vk_swiftshader_icd.json', '/usr/lib/chromium-browser/vk_swiftshader_icd.json'];

let opened: Promise<GPU> | null = null;

/**
 * The process' GPU object, the same at every call. Sets VK_ICD_FILENAMES to a software driver when it is unset and no
 * hardware render node exists.
 * @throws NoWebGpuError when the bindings are not installed or there is no driver.
 */
export function openNodeGpu(): Promise<GPU> {
  opened ??= open();
  return opened;
}

/** Sets VK_ICD_FILENAMES to a software driver when it is unset and no hardware render node exists; returns whether none does. */
export function chooseDriver(): boolean {
  const software = !hasHardware();
  if (process.env['VK_ICD_FILENAMES'] === undefined && software) {
    const driver = softwareDriver();
    if (driver !== null) process.env['VK_ICD_FILENAMES'] = driver;
  }
  return software;
}

async function open(): Promise<GPU> {
  const software = chooseDriver();
  let bindings: typeof import('webgpu');
  try {
    bindings = await import('webgpu');
  } catch (error) {
    throw new NoWebGpuError('the npm package "webgpu" (Dawn for Node) is not installed for this platform', {
      cause: error,
    });
  }
  Object.assign(globalThis, bindings.globals);
  const gpu = bindings.create([]);
  if (software && platform() === 'linux') stepBack(gpu);
  return gpu;
}

/**
 * While a promise of the device is pending, Dawn's bindings poll it from the main thread without pause, which takes a core
 * from a driver that computes on the CPU (a training step on 2 cores: 3.5 s with, 2.3 s without). So once the driver has
 * its threads, the main thread's priority is lowered; on Linux the call concerns this thread alone.
 */
function stepBack(gpu: GPU): void {
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (adapter === null) return null;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
      return device;
    };
    return adapter;
  };
}

function hasHardware(): boolean {
  return existsSync('/dev/nvidia0') || (existsSync('/dev/dri') && readdirSync('/dev/dri').some(isRenderNode));
}

function isRenderNode(name: string): boolean {
  return name.startsWith('renderD');
}

function softwareDriver(): string | null {
  for (const folder of DRIVER_FOLDERS) {
    if (!existsSync(folder)) continue;
    const file = readdirSync(folder).find((name) => /^lvp_icd.*\.json$/.test(name));
    if (file !== undefined) return `${folder}/${file}`;
  }
  return SWIFTSHADER.find((file) => existsSync(file)) ?? null;
}
