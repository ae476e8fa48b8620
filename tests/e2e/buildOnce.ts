/** Builds the lab once for all files of end-to-end tests. */
import { rm } from 'node:fs/promises';
import { buildLab, BUILT } from './browser';

export async function setup(): Promise<void> {
  process.env[BUILT] = await buildLab();
}

export async function teardown(): Promise<void> {
  await rm(process.env[BUILT] as string, { recursive: true, force: true });
}
