/** What a device can do at most: copy bandwidth, multiplications from registers, and the engine's own matrix product. */
import { Commands } from '../engine/gpu/commands';
import { Gpu } from '../engine/gpu/device';
import { encodeLinear } from '../engine/gpu/linear';
import { createMatrix, MatrixPacker } from '../engine/gpu/matrix';
import { Program } from '../engine/gpu/program';
import type { WeightDtype } from '../engine/types';
import type { Ceilings } from './roofline';
import copySource from './copy.wgsl?raw';
import fmaSource from './fma.wgsl?raw';

const COPY_BYTES = 256 << 20;
/** Software drivers copy at memory speed, too, but slowly: what exceeds their caches is enough. */
const COPY_BYTES_CPU = 96 << 20;
const GEMM = 1024;
const FMA_OPERATIONS = 64;

/**
 * Opens a device of its own for it.
 * @param webgpu `navigator.gpu`, or Dawn's in Node
 * @param dtype format of the matrix in the product
 * @param budget seconds that each of the three may take, compiling aside
 */
export async function measureGpuCeilings(webgpu: GPU, dtype: WeightDtype, budget: number): Promise<Ceilings> {
  const gpu = await Gpu.open(webgpu);
  try {
    const { copyBandwidth, copyBytes } = await copySpeed(gpu, budget);
    const peak = await fmaSpeed(gpu, budget);
    const gemm = await gemmSpeed(gpu, dtype, budget);
    return { device: gpu.description, software: gpu.isCpu, copyBandwidth, copyBytes, peak, gemm };
  } finally {
    gpu.destroy();
  }
}

async function copySpeed(gpu: Gpu, budget: number): Promise<{ copyBandwidth: number; copyBytes: number }> {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits;
  const wanted = gpu.isCpu ? COPY_BYTES_CPU : COPY_BYTES;
  const bytes = Math.min(wanted, maxStorageBufferBindingSize, maxBufferSize) & ~255;
  const [x, y] = [gpu.buffer('copied', bytes), gpu.buffer('copy', bytes)];
  const groups = Math.ceil(bytes / 16 / 256);
  const width = Math.min(groups, 65535);
  const kernel = makeKernel(gpu, copySource, [x, y], [bytes / 16, width], [width, Math.ceil(groups / width)]);
  const seconds = await bestTime(gpu, kernel, budget);
  for (const buffer of [x, y]) gpu.destroyBuffer(buffer);
  return { copyBandwidth: (2 * bytes) / seconds, copyBytes: bytes };
}

async function fmaSpeed(gpu: Gpu, budget: number): Promise<number> {
  const invocations = gpu.isCpu ? 1 << 12 : 1 << 20;
  const loops = 4096;
  const factor = gpu.upload('factors', Float32Array.of(0.5, 0.6, 0.7, 0.8, 1, 2, 3, 4));
  const y = gpu.buffer('sums', invocations * 16);
  const kernel = makeKernel(gpu, fmaSource, [factor, y], [loops], [invocations / 64]);
  const seconds = await bestTime(gpu, kernel, budget);
  for (const buffer of [factor, y]) gpu.destroyBuffer(buffer);
  return (invocations * loops * FMA_OPERATIONS) / seconds;
}

async function gemmSpeed(gpu: Gpu, dtype: WeightDtype, budget: number): Promise<number> {
  const values = Float32Array.from({ length: GEMM * GEMM }, (_, i) => Math.sin(i) / 16);
  const weight = createMatrix(gpu, 'factor', dtype, GEMM, GEMM);
  const packer = new MatrixPacker(gpu);
  await packer.write('factor', weight, 0, values);
  packer.dispose();
  const [x, y] = [gpu.upload('x', values), gpu.buffer('y', GEMM * GEMM * 4)];
  const program = new Program(gpu, 'product');
  encodeLinear(gpu, program, { tokens: GEMM, x, weight, y });
  const seconds = await bestTime(gpu, (commands) => program.encode(commands), budget);
  program.dispose();
  for (const buffer of [x, y, weight.buffer]) gpu.destroyBuffer(buffer);
  return (2 * GEMM ** 3) / seconds;
}

/** A kernel of its own, not the engine's, ready to be encoded. */
function makeKernel(
  gpu: Gpu,
  code: string,
  buffers: GPUBuffer[],
  params: number[],
  groups: [number, number?],
): (commands: Commands) => void {
  const { device } = gpu;
  const uniform = device.createBuffer({ size: 256, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(uniform, 0, Uint32Array.from(params));
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }) },
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [uniform, ...buffers].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const [x, y = 1] = groups;
  return (commands) => commands.dispatch({ pipeline, bindGroup, groups: [x, y, 1], operations: 0 });
}

/** Seconds of one execution: the best of some submissions, each of as many executions as make waiting for it not count. */
async function bestTime(gpu: Gpu, encode: (commands: Commands) => void, budget: number): Promise<number> {
  const run = async (times: number): Promise<number> => {
    const start = performance.now();
    const commands = new Commands(gpu.device, 'bench');
    for (let i = 0; i < times; i++) encode(commands);
    commands.submit();
    await gpu.finished();
    return (performance.now() - start) / 1000 / times;
  };
  await run(1);
  let best = await run(1);
  const times = Math.max(1, Math.min(100, Math.floor(budget / 4 / best)));
  let spent = best;
  for (let i = 0; i < 4 && spent < budget; i++) {
    const seconds = await run(times);
    spent += seconds * times;
    best = Math.min(best, seconds);
  }
  return best;
}
