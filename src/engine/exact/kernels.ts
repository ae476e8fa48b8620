/** The compiled kernels (assembly/index.ts) with the types of their arguments: addresses in bytes, sizes in numbers. */
import { DeviceError } from '../errors';
import { KERNELS } from './kernelBytes';

type Kernel = (...args: number[]) => void;

export interface Kernels {
  /** c, a, w, T, K, N, start */
  productPacked: Kernel;
  /** c, a, aRow, aStep, w, T, K, N, room */
  productInto: Kernel;
  /** out, w, N, K */
  pack: Kernel;
  /** out, w, K, N */
  packColumns: Kernel;
  /** c, a, codes, scales, T, K, N, bits, room */
  productIntegers: Kernel;
  /** dx, dy, codes, scales, T, N, K, bits, room */
  productBackIntegers: Kernel;
  /** out, codes, scales, row, K, bits */
  rowOfIntegers: Kernel;
  /** out, x, y, n */
  add: Kernel;
  /** y, bias, T, O */
  addBias: Kernel;
  /** y, x, s, n */
  addScaled: Kernel;
  /** out, x, s, n */
  scale: Kernel;
  /** out, rstd, x, weight, M, n, eps */
  rmsnormForward: Kernel;
  /** dx, dy, x, rstd, weight, M, n */
  rmsnormBackward: Kernel;
  /** x, cos, sin, T, start, heads, half, direction */
  rotate: Kernel;
  /** act, gate, up, sigma or 0, n */
  swigluForward: Kernel;
  /** dgate, dup, dact, gate, up, sigma, n */
  swigluBackward: Kernel;
  /** keys, k, T, start, kvHeads, headDim, keyStride */
  storeKeys: Kernel;
  /** out, q, keys, values, probs, keep, T, start, heads, kvHeads, headDim, keyStride, rowStride, scale */
  attentionForward: Kernel;
  /** dq, dk, dv, dout, q, k, v, probs, room, T, heads, kvHeads, headDim, rowStride, scale */
  attentionBackward: Kernel;
  /** sums, shifted, logits, ids, rows, V, room */
  normalisers: Kernel;
  /** sums, shifted, logits, ids, scales, rows, V */
  crossEntropy: Kernel;
  /** loops; 12 · 4 multiplications and as many additions each, for benches */
  multiplyAdds: Kernel;
  /** to, from, bytes */
  copyBytes: Kernel;
  heapBase: WebAssembly.Global;
}

let compiled: WebAssembly.Module | null = null;

const NO_SIMD =
  'this browser has no WebAssembly SIMD (Chrome 91, Firefox 89 and Safari 16.4 have it), which the exact engine needs: ' +
  'choose the reference engine, which gives the same results more slowly';

/** Kernels that work in this memory. One compilation serves every engine of the thread. @throws DeviceError without SIMD */
export async function makeKernels(memory: WebAssembly.Memory): Promise<Kernels> {
  compiled ??= await WebAssembly.compile(bytesOf(KERNELS)).catch((error: unknown) => {
    throw new DeviceError(NO_SIMD, { cause: error });
  });
  const { exports } = await WebAssembly.instantiate(compiled, { env: { memory } });
  return exports as unknown as Kernels;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
