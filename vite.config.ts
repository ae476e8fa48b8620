/** The lab's build: a static page that opens from any sub-path, with everything heavy behind workers. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { firstPaint, wholeSite } from './tools/build/budgets';
import { licences } from './tools/build/licences';
import { contentPolicy } from './tools/build/policy';

/** Gzipped JavaScript and CSS that a visitor waits for before seeing anything. */
const FIRST_PAINT_BUDGET = 150_000;
/** All files together: 1.6 MB of them are the embedded model. */
const SITE_BUDGET = 10_000_000;

const licence = licences();
/** Errors cross from worker to page by the names of their classes, which must not be shortened. */
const rolldownOptions = { output: { keepNames: true } };

export default defineConfig({
  base: './',
  publicDir: 'static',
  plugins: [
    svelte(),
    contentPolicy(),
    licence.note(),
    licence.write,
    firstPaint(FIRST_PAINT_BUDGET),
    wholeSite(SITE_BUDGET),
  ],
  worker: { format: 'es', plugins: () => [licence.note()], rolldownOptions },
  build: { target: 'es2022', chunkSizeWarningLimit: 2_000, rolldownOptions },
  optimizeDeps: {
    // Found only inside workers: without this the development server would discover them late and reload the page.
    include: [
      'comlink',
      'idb',
      'fflate',
      '@noble/hashes/sha2.js',
      '@noble/hashes/utils.js',
      '@huggingface/jinja',
      '@huggingface/tokenizers',
    ],
  },
});
