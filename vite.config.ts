/** The lab's build: a static page that opens from any sub-path, with everything heavy behind workers. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defaultClientConditions, defineConfig } from 'vite';
import { firstPaint, staticFolder, wholeSite } from './tools/build/budgets';
import { licences } from './tools/build/licences';
import { offline } from './tools/build/offline';
import { optionalRuntimes } from './tools/build/optional';
import { contentPolicy } from './tools/build/policy';
import { replayPageFile } from './tools/build/replayPage';

/** Gzipped JavaScript and CSS that a visitor waits for before seeing anything. */
const FIRST_PAINT_BUDGET = 150_000;
/** All files together: 3.3 MB of them are embedded models. */
const SITE_BUDGET = 12_000_000;

/** Recorded runs together; a visitor loads those that are played. */
const RECORDED_BUDGET = 3_000_000;

const licence = licences();
/** Errors cross from worker to page by the names of their classes, which must not be shortened. */
const rolldownOptions = { output: { keepNames: true } };

export default defineConfig({
  base: './',
  publicDir: 'static',
  // ONNX Runtime's WebAssembly is served as it is (tools/build/optional.ts), and is no part of the bundle.
  resolve: { conditions: [...defaultClientConditions, 'onnxruntime-web-use-extern-wasm'] },
  plugins: [
    svelte(),
    contentPolicy(),
    optionalRuntimes(),
    licence.note(),
    licence.write,
    replayPageFile(),
    offline(),
    firstPaint(FIRST_PAINT_BUDGET),
    staticFolder('recorded', 'recorded runs', RECORDED_BUDGET),
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
