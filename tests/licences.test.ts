/** Licences of the dependencies: the committed list, and what may be among them. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  identifiers,
  KNOWN_LICENCES,
  licenceList,
  lockedPackages,
  packageOf,
  SHIPPED_LICENCES,
  shippedInList,
} from '../tools/build/licences';

const lockfile = readFileSync('package-lock.json', 'utf8');
const list = readFileSync('docs/licences.md', 'utf8');
const packages = lockedPackages(lockfile, shippedInList(list));
const peers = lockedPackages(readFileSync('bench/peers/package-lock.json', 'utf8'), new Set());

it('lists every dependency as it is locked; `npm run licences` writes the list anew', () => {
  expect(list).toBe(licenceList(packages, peers));
});

it('knows every licence, and ships only what asks for no more than its text', () => {
  const unknown = [...packages, ...peers].filter(({ licence }) =>
    identifiers(licence).some((one) => !KNOWN_LICENCES.has(one)),
  );
  expect(unknown).toEqual([]);
  const shipped = packages.filter((one) => one.shipped);
  expect(shipped.map(({ name }) => name)).toEqual(expect.arrayContaining(['svelte', 'comlink', 'idb', 'fflate']));
  expect(shipped.filter(({ licence }) => identifiers(licence).some((one) => !SHIPPED_LICENCES.has(one)))).toEqual([]);
});

/** The lockfile with one package changed or added. */
function changed(entry: object): string {
  const lock = JSON.parse(lockfile) as { packages: Record<string, object> };
  lock.packages['node_modules/some-package'] = entry;
  return JSON.stringify(lock);
}

it('notices a dependency that is new, has another version, or another licence or none', () => {
  const listed = (entry: object) => licenceList(lockedPackages(changed(entry), shippedInList(list)), peers);
  expect(listed({ version: '1.0.0', license: 'MIT' })).not.toBe(list);
  expect(() => listed({ version: '1.0.0' })).toThrow(/some-package has no version or no licence/);
  const [one] = lockedPackages(changed({ version: '1.0.0', license: '(MIT OR SSPL-1.0)' }), new Set()).filter(
    ({ name }) => name === 'some-package',
  );
  expect(identifiers(one!.licence).filter((id) => !KNOWN_LICENCES.has(id))).toEqual(['SSPL-1.0']);
});

it('finds the package of a module', () => {
  expect(packageOf('/x/node_modules/@noble/hashes/sha2.js')).toBe('@noble/hashes');
  expect(packageOf('/x/node_modules/a/node_modules/b/index.js?v=1')).toBe('b');
  expect(packageOf('/x/src/ui/main.ts')).toBeNull();
});
