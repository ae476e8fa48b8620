/** The lab's build: a static page that opens from any sub-path, with everything heavy behind workers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** Gzipped JavaScript and CSS that a visitor waits for before seeing anything. */
const FIRST_PAINT_BUDGET = 150_000;

/** Prints the gzipped size of the entry chunk with all it imports statically, and fails the build above the budget. */
function firstPaint(): Plugin {
  let directory = 'dist';
  return {
    name: 'first-paint',
    apply: 'build',
    configResolved(config) {
      directory = config.build.outDir;
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
      const line = `first paint: ${(bytes / 1000).toFixed(1)} kB gzip of ${FIRST_PAINT_BUDGET / 1000} kB`;
      if (bytes > FIRST_PAINT_BUDGET) this.error(`${line}: over budget (${[...files].join(', ')})`);
      this.info(line);
    },
  };
}

export default defineConfig({
  base: './',
  publicDir: 'static',
  plugins: [svelte(), firstPaint()],
  worker: { format: 'es' },
  build: { target: 'es2022', chunkSizeWarningLimit: 2_000 },
  optimizeDeps: {
    // Found only inside workers: without this the development server would discover them late and reload the page.
    include: [
      'comlink',
      'idb',
      'fflate',
      '@noble/hashes/sha2.js',
      '@noble/hashes/utils.js',
      '@huggingface/transformers',
    ],
  },
});
