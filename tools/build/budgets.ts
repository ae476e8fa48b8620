/** What the built site may weigh: plugins that measure it, say so, and fail the build above the budget. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { isOptional, LARGEST_FILE } from './optional';

/** Prints the gzipped size of the entry chunk with all it imports statically, and fails the build above `budget` bytes. */
export function firstPaint(budget: number): Plugin {
  let directory = 'dist';
  return {
    name: 'first-paint',
    apply: 'build',
    configResolved(config) {
      directory = resolve(config.root, config.build.outDir);
    },
    writeBundle(_options, bundle) {
      const files = new Set<string>();
      const visit = (name: string) => {
        const chunk = bundle[name];
        if (!chunk || chunk.type !== 'chunk' || files.has(name)) return;
        files.add(name);
        for (const css of chunk.viteMetadata?.importedCss ?? []) files.add(css);
        chunk.imports.forEach(visit);
      };
      for (const [name, chunk] of Object.entries(bundle)) if (chunk.type === 'chunk' && chunk.isEntry) visit(name);
      let bytes = 0;
      for (const name of files) bytes += gzipSync(readFileSync(join(directory, name))).length;
      const line = `first paint: ${(bytes / 1000).toFixed(1)} kB gzip of ${budget / 1000} kB`;
      if (bytes > budget) this.error(`${line}: over budget (${[...files].join(', ')})`);
      this.info(line);
    },
  };
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/**
 * Prints the size of the whole site, static files included, and fails the build above `budget` bytes: what is that heavy was not meant to
 * be there. Runtimes that only some runs load are counted apart. A file that static hosts refuse fails the build too.
 */
export function wholeSite(budget: number): Plugin {
  let directory = 'dist';
  return {
    name: 'whole-site',
    apply: 'build',
    configResolved(config) {
      directory = resolve(config.root, config.build.outDir);
    },
    closeBundle: {
      order: 'post',
      handler(error?: Error) {
        if (error) return;
        const files = readdirSync(directory, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .map((path) => ({
            name: basename(path),
            bytes: statSync(path).size,
            optional: isOptional(relative(directory, path).replaceAll('\\', '/')),
          }))
          .sort((a, b) => b.bytes - a.bytes);
        const own = files.filter(({ optional }) => !optional);
        const sum = (some: typeof files): number => some.reduce((total, file) => total + file.bytes, 0);
        const [bytes, beside] = [sum(own), sum(files) - sum(own)];
        const largest = files[0];
        if (largest && largest.bytes > LARGEST_FILE)
          this.error(
            `${largest.name} has ${megabytes(largest.bytes)}: static hosts take ${megabytes(LARGEST_FILE)} a file`,
          );
        const heaviest = own.slice(0, 3).map((file) => `${file.name} ${megabytes(file.bytes)}`);
        const line = `whole site: ${megabytes(bytes)} of ${megabytes(budget)}`;
        if (bytes > budget) this.error(`${line}: over budget (heaviest: ${heaviest.join(', ')})`);
        this.info(`${line}; runtimes that some runs load: ${megabytes(beside)}`);
      },
    },
  };
}

/** Prints the size of a folder of static files, and fails the build above `budget` bytes. @param what the files are, for messages */
export function staticFolder(folder: string, what: string, budget: number): Plugin {
  let root = 'static';
  return {
    name: `static-${folder}`,
    apply: 'build',
    configResolved(config) {
      root = config.publicDir;
    },
    writeBundle() {
      const bytes = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
      const line = `${what}: ${megabytes(bytes)} of ${megabytes(budget)}`;
      if (bytes > budget) this.error(`${line}: over budget`);
      this.info(line);
    },
  };
}
