/** The exact engine's device, for people; nothing of the engine is loaded with it. */
export const EXACT_DEVICE = 'WebAssembly SIMD';
