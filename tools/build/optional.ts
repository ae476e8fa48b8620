/**
 * Files of runtimes that only some runs need: served from the site itself, loaded when a run asks for them, and counted apart from the site.
 * Static hosts refuse single files above 25 MiB, so none is larger.
 */
import { createReadStream, copyFileSync, mkdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Plugin } from 'vite';

/** Bytes of one file at most. */
export const LARGEST_FILE = 25 * 2 ** 20;
/** Folder of the site. */
export const RUNTIMES = 'runtimes';

/** ONNX Runtime: for WebAssembly alone, and with WebGPU where the browser switches stacks (JSPI). */
export const ONNX_FILES = [
  'ort-wasm-simd-threaded.mjs',
  'ort-wasm-simd-threaded.wasm',
  'ort-wasm-simd-threaded.jspi.mjs',
  'ort-wasm-simd-threaded.jspi.wasm',
].map((name) => join('node_modules/onnxruntime-web/dist', name));

/** Is a file of the built site part of a runtime that only some runs load? Workers have the names of their entries. */
export function isOptional(file: string): boolean {
  return file.startsWith(`${RUNTIMES}/`) || /^assets\/(transformers|webllm)-[\w-]+\.js$/.test(file);
}

const TYPES: Readonly<Record<string, string>> = { mjs: 'text/javascript', wasm: 'application/wasm' };

/** Puts the files into the site, and serves them in development. */
export function optionalRuntimes(): Plugin {
  let [root, directory] = ['.', 'dist'];
  return {
    name: 'optional-runtimes',
    configResolved(config) {
      root = config.root;
      directory = resolve(config.root, config.build.outDir);
    },
    configureServer(server) {
      const served = new Map(ONNX_FILES.map((file) => [`/${RUNTIMES}/onnx/${basename(file)}`, join(root, file)]));
      server.middlewares.use((request, response, next) => {
        const file = served.get((request.url ?? '').split('?')[0] ?? '');
        if (!file) return next();
        response.setHeader('Content-Type', TYPES[file.split('.').at(-1) ?? ''] ?? 'application/octet-stream');
        createReadStream(file).pipe(response);
      });
    },
    writeBundle() {
      const folder = join(directory, RUNTIMES, 'onnx');
      mkdirSync(folder, { recursive: true });
      for (const file of ONNX_FILES) {
        const { size } = statSync(join(root, file));
        if (size > LARGEST_FILE) this.error(`${file} has ${size} bytes; static hosts take ${LARGEST_FILE}`);
        copyFileSync(join(root, file), join(folder, basename(file)));
      }
    },
  };
}
