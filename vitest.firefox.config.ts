/** The built lab in a real Firefox. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/firefox/**/*.firefox.ts'],
    globalSetup: 'tests/e2e/buildOnce.ts',
    environment: 'node',
    testTimeout: 400_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    // As in vitest.e2e.config.ts: a browser shares two cores with whatever else runs.
    retry: 1,
  },
});
