/**
 * Tests that take a software GPU, a killed browser or a long run minutes. `npm run test:long` runs them, `npm test` the others, so
 * that the everyday command stays short: a quarter of an hour on two cores is its budget. CI runs both.
 */

export const LONG_TESTS: readonly string[] = [
  // Kernels on a software driver, format by format. gpu-forward, gpu-backward and kernels stay with the everyday tests.
  'tests/engine/gpu-adapter-products.test.ts',
  'tests/engine/gpu-attention.test.ts',
  'tests/engine/gpu-cache.test.ts',
  'tests/engine/gpu-conformance.test.ts',
  'tests/engine/gpu-forward-composition.test.ts',
  'tests/engine/gpu-lost.test.ts',
  'tests/engine/gpu-odd.test.ts',
  'tests/engine/gpu-prefix.test.ts',
  'tests/engine/gpu-quantised.test.ts',
  'tests/engine/gpu-sampling.test.ts',
  'tests/engine/gpu-self-check.test.ts',
  'tests/engine/gpu-tiled.test.ts',
  'tests/engine/gpu-train.test.ts',
  'tests/engine/gpu-wide-backward.test.ts',
  'tests/engine/planAllocated.test.ts',
  'tests/engine/saturation.test.ts',
  'tests/engine/gpu-limits.test.ts',
  'tests/engine/resilient.test.ts',
  // Whole runs of the command line, again and again.
  'tests/cli/compare.test.ts',
  'tests/cli/diverging.test.ts',
  'tests/cli/export.test.ts',
  'tests/cli/finite.test.ts',
  'tests/cli/formats.test.ts',
  'tests/cli/ignoreConfig.test.ts',
  'tests/cli/recipes.test.ts',
  'tests/cli/verify.test.ts',
  // Runs that are killed after every event, workers and devices that are lost, thousands of damaged files, other runtimes.
  'tests/cli/seats.test.ts',
  'tests/lab/killed.test.ts',
  'tests/lab/labKeeper.test.ts',
  'tests/lab/lostDevice.test.ts',
  'tests/lab/picking.test.ts',
  'tests/runtimes/recorded.test.ts',
  'tests/runtimes/transformers.test.ts',
  'tests/share/mutatedBundles.test.ts',
  'tests/soak.test.ts',
];

export const LONG_E2E: readonly string[] = [
  // Workers, devices and browsers that end in the middle of a run.
  'tests/e2e/lost.e2e.ts',
  'tests/e2e/struck.e2e.ts',
  'tests/e2e/workers.e2e.ts',
  // Engines and runtimes on the software GPU, every view of every log, models of the hub, the site without a network.
  'tests/e2e/bench.e2e.ts',
  'tests/e2e/checkWebgpu.e2e.ts',
  'tests/e2e/everyRun.e2e.ts',
  'tests/e2e/modelManager.e2e.ts',
  'tests/e2e/offline.e2e.ts',
  'tests/e2e/otherRuntimes.e2e.ts',
  'tests/e2e/policy.e2e.ts',
  'tests/e2e/replay.e2e.ts',
  'tests/e2e/secondModel.e2e.ts',
  'tests/e2e/views.e2e.ts',
];
