/** Builds the lab once for all files of end-to-end tests. */
import { rm } from 'node:fs/promises';
import { buildLab, BUILT } from './browser';

export async function setup(): Promise<void> {
  process.env[BUILT] = await buildLab();
}

export async function teardown(): Promise<void> {
  // A build that failed left nothing, and its own error is the one to read.
  const built = process.env[BUILT];
  if (built) await rm(built, { recursive: true, force: true });
}
