/**
 * The engine's tests on wgpu, the WebGPU of Firefox and of Deno, which runs them here: another compiler of WGSL and another validation than
 * those of Chromium.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { alias: { webgpu: fileURLToPath(new URL('tests/engine/wgpu/webgpu.ts', import.meta.url)) } },
  test: {
    include: ['tests/engine/kernels.test.ts', 'tests/engine/gpu-*.test.ts'],
    // It compares the engine with itself, kernel by kernel of those that the others hold to the reference.
    exclude: ['tests/engine/gpu-odd.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'threads',
    isolate: false,
    maxWorkers: 1,
    // Of the runner alone: Deno's threads lack a call that it makes when all tests of a thread are over.
    dangerouslyIgnoreUnhandledErrors: true,
  },
});
