/** Writes docs/licences.md from the lockfile; the site is built to see whose code is in it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { licenceList, lockedPackages, shippedInSite } from './build/licences';

const outDir = mkdtempSync(join(tmpdir(), 'polylogue-licences-'));
try {
  await build({ build: { outDir, emptyOutDir: true }, logLevel: 'error' });
  const shipped = shippedInSite(readFileSync(join(outDir, 'licences.txt'), 'utf8'));
  const packages = lockedPackages(readFileSync('package-lock.json', 'utf8'), shipped);
  const peers = lockedPackages(readFileSync('bench/peers/package-lock.json', 'utf8'), new Set());
  writeFileSync('docs/licences.md', licenceList(packages, peers));
} finally {
  rmSync(outDir, { recursive: true, force: true });
}
