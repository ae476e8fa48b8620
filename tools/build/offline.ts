/** Writes the site's service worker with the list of all files of the build, by which it keeps them. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { build, type Plugin } from 'vite';
import { isOptional } from './optional';
import type { SiteFile, SiteList } from '../../src/site/list';
import { SERVICE_WORKER_FILE } from '../../src/site/messages';

const ENTRY = 'workers/site.ts';

/**
 * Files that are kept when they are first fetched. A visitor plays some of the recorded runs. Few visitors use other runtimes or measure
 * their device, or read the licences. Few play a recipe with a larger model, or save a
 * run as a page. The first screen plays one recorded run at once, which is kept with the page.
 */
const LAZY =
  /^(recorded\/(?!multiagent-finetuning-arithmetic-tiny\.).*\.run$|models\/[^/]+\/onnx\/|models\/strategies-0\.6m\/|assets\/bench-[^/]+\.js$|licences\.txt$|replay-page\.txt$)/;

const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The files of a built site by path, without the service worker and what hosts read for themselves (`.nojekyll`, `_headers`). */
export function siteList(directory: string): SiteList {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ file, path: relative(directory, file).split(sep).join('/') }))
    .filter(({ path }) => path !== SERVICE_WORKER_FILE && !/(^|\/)[._]/.test(path))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ file, path }): SiteFile => ({
      path,
      sha256: sha256(readFileSync(file)),
      ...((LAZY.test(path) || isOptional(path)) && { lazy: true as const }),
    }));
  return { version: sha256(JSON.stringify(files)).slice(0, 16), files };
}

/** The service worker's script: the list on its first line, its code behind it. */
export function serviceWorker(list: SiteList, code: string): string {
  return `const SITE=${JSON.stringify(list)};\n${code}`;
}

/** Makes a site that opens without a network. */
export function offline(): Plugin {
  let root = process.cwd();
  let directory = 'dist';
  let code = '';
  return {
    name: 'offline',
    apply: 'build',
    configResolved(config) {
      root = config.root;
      directory = resolve(config.root, config.build.outDir);
    },
    async generateBundle() {
      code = await bundled(join(root, ENTRY));
    },
    closeBundle(error?: Error) {
      // A build that failed has no site.
      if (error || code === '') return;
      const list = siteList(directory);
      writeFileSync(join(directory, SERVICE_WORKER_FILE), serviceWorker(list, code));
      this.info(`offline: ${list.files.length} files, version ${list.version}`);
    },
  };
}

/** A script of one file. Service workers with modules are not everywhere. */
async function bundled(entry: string): Promise<string> {
  const result = await build({
    configFile: false,
    publicDir: false,
    logLevel: 'error',
    build: { write: false, target: 'es2022', rolldownOptions: { input: entry, output: { format: 'iife' } } },
  });
  const output = [result].flat().flatMap((one) => ('output' in one ? one.output : []));
  const chunk = output.find((one) => one.type === 'chunk');
  if (!chunk || output.length !== 1) throw new Error(`${entry} is not one script`);
  return chunk.code;
}
