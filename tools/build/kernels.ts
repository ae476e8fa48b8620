/**
 * Compiles the exact engine's kernels (AssemblyScript) and writes them, as text, into a module of the source: `npm run kernels`.
 * A test holds the committed module to what the committed source gives.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCE = 'src/engine/exact/assembly/index.ts';
const MODULE = 'src/engine/exact/kernelBytes.ts';

/** SIMD, never the relaxed instructions; memory comes from the host; no runtime: kernels allocate nothing. */
const FLAGS = ['--enable', 'simd', '-O3', '--runtime', 'stub', '--importMemory', '--noAssert'];

/** The WebAssembly module of the source as it is. @throws Error with the compiler's words */
export async function compileKernels(): Promise<Uint8Array> {
  let binary: Uint8Array | null = null;
  const { error, stderr } = await asc.main([SOURCE, '--baseDir', ROOT, '-o', 'kernels.wasm', ...FLAGS], {
    readFile: (name: string, base: string) => readFile(`${base}/${name}`, 'utf8').catch(() => null),
    writeFile: (_name: string, contents: Uint8Array | string) => {
      if (typeof contents !== 'string') binary = contents;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`the kernels do not compile: ${error.message}\n${stderr.toString()}`);
  if (binary === null) throw new Error('the compiler gave no module');
  return binary;
}

/** The text of the source's module that holds these bytes. */
export function kernelModule(binary: Uint8Array): string {
  const text = Buffer.from(binary).toString('base64');
  return `/** The kernels of src/engine/exact/assembly, compiled by \`npm run kernels\`; base64. */\nexport const KERNELS =\n  '${text}';\n`;
}

export const readKernelModule = (): Promise<string> => readFile(`${ROOT}${MODULE}`, 'utf8');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const binary = await compileKernels();
  await writeFile(`${ROOT}${MODULE}`, kernelModule(binary));
  console.log(`${MODULE}: ${binary.length} bytes of WebAssembly`);
}
