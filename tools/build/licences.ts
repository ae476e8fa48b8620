/** Licences: of every package that the lockfile names, and the texts of those whose code is in the built site. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

export interface Package {
  name: string;
  version: string;
  /** SPDX expression. */
  licence: string;
  /** Whether code of it is in the built site. */
  shipped: boolean;
}

/** Licences that a dependency may have; what others ask for nobody has read yet. */
export const KNOWN_LICENCES: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'LGPL-3.0-or-later',
  'MIT',
  'MPL-2.0',
]);
/** Licences of what may be in the site: all that they ask for is that their text goes with it. */
export const SHIPPED_LICENCES: ReadonlySet<string> = new Set([
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
]);

/** Identifiers in an SPDX expression. */
export function identifiers(expression: string): string[] {
  return expression.split(/[\s()]+/).filter((word) => word !== '' && !/^(AND|OR|WITH)$/.test(word));
}

interface LockedPackage {
  name?: string;
  version?: string;
  license?: string;
}

/**
 * All packages of a lockfile, by name and version.
 *
 * @param lockfile text of package-lock.json
 * @param shipped names of packages whose code is in the site
 * @throws Error for a package without a licence
 */
export function lockedPackages(lockfile: string, shipped: ReadonlySet<string>): Package[] {
  const { packages } = JSON.parse(lockfile) as { packages: Record<string, LockedPackage> };
  const found = new Map<string, Package>();
  for (const [place, { name: other, version, license }] of Object.entries(packages)) {
    if (place === '') continue;
    const name = other ?? place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (!version || !license) throw new Error(`package-lock.json: ${place} has no version or no licence`);
    // A package that lies inside another one has another version than what the site's code finds.
    const isShipped = shipped.has(name) && place === `node_modules/${name}`;
    const key = `${name}@${version}`;
    found.set(key, { name, version, licence: license, shipped: isShipped || (found.get(key)?.shipped ?? false) });
  }
  return [...found.values()].sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1,
  );
}

/**
 * The committed list: a page for people, and what the tests compare.
 * @param peers packages of the bench's own lockfile, which the project's does not have
 */
export function licenceList(packages: readonly Package[], peers: readonly Package[] = []): string {
  const shipped = packages.filter((one) => one.shipped);
  const rest = packages.filter((one) => !one.shipped);
  const rows = (list: readonly Package[]) =>
    list.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`);
  return [
    '# Licences of the dependencies',
    '',
    'Polylogue itself is under the MIT licence. `npm run licences` writes this list from `package-lock.json`; a test compares them.',
    '',
    '## In the built site',
    '',
    'The texts of these licences are in the site, in `licences.txt`.',
    '',
    '| package | version | licence |',
    '| --- | --- | --- |',
    ...rows(shipped),
    '',
    '## For building and testing only',
    '',
    'Nothing of these is in the site.',
    '',
    '| package | version | licence |',
    '| --- | --- | --- |',
    ...rows(rest),
    '',
    '## For comparisons only',
    '',
    'Runtimes that the bench measures beside the engine (`bench/peers`). `npm ci` does not install them, and nothing of these is in the site.',
    '',
    '| package | version | licence |',
    '| --- | --- | --- |',
    ...rows(peers),
    '',
  ].join('\n');
}

/** Names of packages in the committed list's first part. */
export function shippedInList(list: string): Set<string> {
  const part = list.slice(list.indexOf('## In the built site'), list.indexOf('## For building'));
  return new Set(
    [...part.matchAll(/^\| (\S+) +\|/gm)]
      .map(([, name]) => name as string)
      .filter((name) => !/^(package|-+)$/.test(name)),
  );
}

/** The package whose folder a module lies in; null for the project's own. */
export function packageOf(moduleId: string): string | null {
  const match = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(moduleId.replaceAll('\\', '/').replace(/^\0+/, ''));
  return match?.[1] ?? null;
}

/** Packages whose published files hold code of others, in one piece with their own. */
const BUNDLED_WITHIN: Readonly<Record<string, readonly string[]>> = {};

/** Packages under the MIT licence that come without its text, and whose they are. */
const HOLDERS: Readonly<Record<string, string>> = {
  'onnxruntime-common': 'Copyright (c) Microsoft Corporation',
  'onnxruntime-web': 'Copyright (c) Microsoft Corporation',
};

/** Text of a package's licence, and of its notice where it has one. @throws Error when there is none */
function licenceText(root: string, name: string): string {
  const folder = join(root, 'node_modules', name);
  const files = existsSync(folder)
    ? readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
    : [];
  const holder = HOLDERS[name];
  if (files.length === 0 && holder !== undefined) return mitText(root, holder);
  if (files.length === 0) throw new Error(`${name} has no file with its licence`);
  return files.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n');
}

/** The MIT licence as the project's own file has it, with another holder. */
function mitText(root: string, holder: string): string {
  return readFileSync(join(root, 'LICENSE'), 'utf8')
    .replace(/^Copyright.*$/m, holder)
    .trim();
}

/** Names of the packages whose licences stand in a site's `licences.txt`. */
export function shippedInSite(texts: string): Set<string> {
  return new Set([...texts.matchAll(/^-{78}\n\n(\S+) \S+ \(/gm)].map(([, name]) => name as string));
}

/** Two plugins: the first, for the page and for every worker, notes whose code is bundled; the second writes `licences.txt`. */
export function licences(): { note: () => Plugin; write: Plugin } {
  const shipped = new Set<string>();
  let root = process.cwd();
  const note = (): Plugin => ({
    name: 'licences-note',
    apply: 'build',
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue;
        for (const [id, module] of Object.entries(chunk.modules)) {
          const name = packageOf(id);
          if (name === null || module.renderedLength === 0) continue;
          for (const one of [name, ...(BUNDLED_WITHIN[name] ?? [])]) shipped.add(one);
        }
      }
    },
  });
  const write: Plugin = {
    name: 'licences-write',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      root = config.root;
    },
    generateBundle: {
      order: 'post',
      handler() {
        const own = readFileSync(join(root, 'LICENSE'), 'utf8').trim();
        const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
        const parts = lockedPackages(lock, shipped)
          .filter((one) => one.shipped)
          .map(({ name, version, licence }) => `${name} ${version} (${licence})\n\n${licenceText(root, name)}`);
        const source = [`Polylogue\n\n${own}`, ...parts].join(`\n\n${'-'.repeat(78)}\n\n`);
        this.emitFile({ type: 'asset', fileName: 'licences.txt', source: `${source}\n` });
      },
    },
  };
  return { note, write };
}
