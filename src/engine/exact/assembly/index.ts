/**
 * The kernels of the exact engine in AssemblyScript: WebAssembly SIMD without the relaxed instructions, so the same bits on every
 * machine. Each does what the function of the same purpose in src/engine/reference does, operation by operation. Addresses are in
 * bytes; the host gives every one of them (src/engine/exact/wasmArithmetic.ts).
 */
export { productRows, productPacked, productInto, pack, packColumns } from './product';
export { productIntegers, productBackIntegers, rowOfIntegers } from './integers';
export { add, addBias, addScaled, scale, swigluForward, swigluBackward, rotate } from './elementwise';
export { rmsnormForward, rmsnormBackward } from './norm';
export { storeKeys, attentionForward, attentionBackward } from './attention';
export { normalisers, crossEntropy } from './softmax';
export { multiplyAdds, copyBytes } from './ceilings';
/** Where free memory begins. */
export const heapBase: usize = __heap_base;
