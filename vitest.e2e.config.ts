/** End-to-end tests: the built lab in a real Chromium. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/e2e/**/*.e2e.ts'],
    globalSetup: 'tests/e2e/buildOnce.ts',
    environment: 'node',
    testTimeout: 300_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    fileParallelism: false,
    // Once more before it counts: a browser, its GPU process and a server share two cores with whatever else runs.
    retry: 1,
    // A page says things when it has come to them: what it shows is asked for again until it fits, or for so long.
    expect: { poll: { timeout: 20_000 } },
  },
});
