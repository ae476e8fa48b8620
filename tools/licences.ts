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
  writeFileSync('docs/licences.md', licenceList(lockedPackages(readFileSync('package-lock.json', 'utf8'), shipped)));
} finally {
  rmSync(outDir, { recursive: true, force: true });
}
