/** What the built site may weigh: plugins that measure it, say so, and fail the build above the budget. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

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
 * be there, and static hosts refuse sites with a file above 25 MB.
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
          .map((entry) => ({ name: entry.name, bytes: statSync(join(entry.parentPath, entry.name)).size }))
          .sort((a, b) => b.bytes - a.bytes);
        const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
        const heaviest = files.slice(0, 3).map((file) => `${file.name} ${megabytes(file.bytes)}`);
        const line = `whole site: ${megabytes(bytes)} of ${megabytes(budget)}`;
        if (bytes > budget) this.error(`${line}: over budget (heaviest: ${heaviest.join(', ')})`);
        this.info(line);
      },
    },
  };
}
