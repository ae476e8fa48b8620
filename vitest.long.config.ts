/** Unit and engine tests that take minutes. */
import { defineConfig } from 'vitest/config';
import { LONG_TESTS } from './tests/long.ts';

export default defineConfig({
  test: {
    include: [...LONG_TESTS],
    environment: 'node',
    testTimeout: 600_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
