/** Matrix products of the exact engine's kernels and of the oracle, in GFLOP for a second of CPU time. */
import { Arena } from '../../src/engine/exact/arena';
import { makeKernels } from '../../src/engine/exact/kernels';
import { WasmArithmetic } from '../../src/engine/exact/wasmArithmetic';
import type { Arithmetic } from '../../src/engine/reference/arithmetic';
import { plainArithmetic } from '../../src/engine/reference/plain';
import { line, measure } from './measure';

/** Tokens × inputs → outputs: the three, and sizes that no tile divides. */
const SHAPES = [
  [1536, 96, 256],
  [64, 576, 1536],
  [24, 96, 256],
  [1, 96, 256],
  [1535, 97, 255],
  [63, 575, 1535],
  [23, 97, 257],
] as const;
const FLOP = 4e8;

export async function products(repeat: number): Promise<void> {
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
        line('product', { engine, kind, tokens, inputs, outputs }, { gflopPerCpuSecond: flop / cpuSeconds / 1e9 });
      }
    }
  }
}
