/** Matrix products of the exact engine's kernels, of the oracle and of other runtimes on one thread, in GFLOP for a second of CPU time. */
import { Arena } from '../../src/engine/exact/arena';
import { makeKernels } from '../../src/engine/exact/kernels';
import { WasmArithmetic } from '../../src/engine/exact/wasmArithmetic';
import type { Arithmetic } from '../../src/engine/reference/arithmetic';
import { plainArithmetic } from '../../src/engine/reference/plain';
import { openJaxProducts } from '../peers/jax';
import { ORT_KINDS } from '../peers/ort';
import { openProducts } from '../peers/ortWork';
import type { CoreCeilings } from './ceilings';
import { line, measure } from './measure';

/** Tokens × inputs → outputs: the three of a model's work, and sizes that no tile divides. */
const MAIN_SHAPES = [
  [1536, 96, 256],
  [64, 576, 1536],
  [24, 96, 256],
] as const;
const SHAPES = [...MAIN_SHAPES, [1, 96, 256], [1535, 97, 255], [63, 575, 1535], [23, 97, 257]] as const;
const FLOP = 4e8;
/** Of one call of another runtime: so many products that the call itself does not count. */
const CALL_FLOP = 1e8;

export async function products(repeat: number, core: CoreCeilings): Promise<void> {
  const arena = new Arena(64 << 20);
  const exact = new WasmArithmetic(arena, await makeKernels(arena.memory));
  for (const [tokens, inputs, outputs] of SHAPES) {
    for (const [engine, arithmetic] of [
      ['exact', exact],
      ['reference', plainArithmetic()],
    ] as [string, Arithmetic][]) {
      const values = (n: number): Float32Array =>
        arithmetic.vector(Float32Array.from({ length: n }, (_, i) => (i % 7) / 7 - 0.4));
      const x = values(tokens * inputs);
      const y = values(tokens * outputs);
      const w = arithmetic.matrix(values(inputs * outputs), outputs, inputs);
      const flop = 2 * tokens * inputs * outputs;
      const inner = Math.ceil((engine === 'exact' ? FLOP : FLOP / 8) / flop);
      for (const [kind, once] of [
        ['forward', () => arithmetic.product(y, x, w, tokens)],
        ['backward', () => arithmetic.productBack(x, y, w, tokens)],
      ] as const) {
        arithmetic.scratch.begin();
        once();
        const { cpuSeconds } = await measure(
          () => {
            // Sums that grow without end would be infinite.
            if (kind === 'backward') x.fill(0);
            for (let i = 0; i < inner; i++) once();
          },
          repeat,
          inner,
        );
        report({ engine, kind, tokens, inputs, outputs }, flop, cpuSeconds, core);
      }
    }
  }
}

/** The same of ONNX Runtime, native and on WASM, and of jax-js on WASM; the larger sizes alone. */
export async function peerProducts(repeat: number, core: CoreCeilings): Promise<void> {
  for (const [tokens, inputs, outputs] of MAIN_SHAPES) {
    const flop = 2 * tokens * inputs * outputs;
    const count = Math.ceil(CALL_FLOP / flop);
    const time = async (engine: string, once: () => Promise<void>): Promise<void> => {
      await once();
      const inner = Math.ceil(FLOP / flop / count);
      const { cpuSeconds } = await measure(
        async () => {
          for (let i = 0; i < inner; i++) await once();
        },
        repeat,
        inner * count,
      );
      report({ engine, kind: 'forward', tokens, inputs, outputs }, flop, cpuSeconds, core);
    };
    for (const kind of ORT_KINDS) {
      const products = await openProducts(kind, tokens, inputs, outputs, count);
      await time(kind, () => products.once());
      await products.close();
    }
    await time('jax-js', await openJaxProducts(tokens, inputs, outputs, count));
  }
}

function report(about: Record<string, unknown>, flop: number, cpuSeconds: number, core: CoreCeilings): void {
  const speed = flop / cpuSeconds;
  line('product', about, { gflopPerCpuSecond: speed / 1e9, shareOfCore: speed / core.peak });
}
