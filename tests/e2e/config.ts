/** How end-to-end tests run, whichever files they are. */
import { configDefaults, defineConfig, type ViteUserConfig } from 'vitest/config';

/** @param include globs of test files; @param exclude paths that are left out */
export function endToEnd(include: readonly string[], exclude: readonly string[] = []): ViteUserConfig {
  return defineConfig({
    test: {
      include: [...include],
      exclude: [...configDefaults.exclude, ...exclude],
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
}
