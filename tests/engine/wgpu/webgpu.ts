/** In place of the npm package `webgpu` (Dawn) where the runtime brings WebGPU itself, as Deno does. */
export const globals = {};
export const create = (): GPU => navigator.gpu;
