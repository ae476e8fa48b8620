/** Unit and engine tests, in Node. */
import { configDefaults, defineConfig } from 'vitest/config';
import { LONG_TESTS } from './tests/long.ts';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...LONG_TESTS],
    environment: 'node',
    // Kernels of GPUs take a software driver long to compile when its cache is empty.
    testTimeout: 180_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
