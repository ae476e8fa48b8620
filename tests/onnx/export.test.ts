/** The ONNX exporter: the very files that ONNX Runtime was compared with the engine on, and what an adapter becomes in them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { quantiseValues, quantiseWeights } from '../../src/engine/reference/quantise';
import { collect, openModelStream } from '../../src/engine/stream';
import { mergeAdapter } from '../../tools/onnx/adapted';
import { CHECKED_MODEL, checkedExports } from '../../tools/onnx/checked';
import { BLOCK, packInt4 } from '../../tools/onnx/int4';
import { Message } from '../../tools/onnx/protobuf';

const open = async () => collect(await openModelStream(folderSource(CHECKED_MODEL)));

it('writes the files whose logits were compared; `npm run onnx:check` compares what changed', async () => {
  const compared = JSON.parse(readFileSync('bench/results/exact/onnx.json', 'utf8')) as Record<string, object>;
  for (const { name, bytes } of await checkedExports()) {
    expect(compared[name]).toMatchObject({ sha256: createHash('sha256').update(bytes).digest('hex') });
  }
});

it('merges an adapter so that the base computes what the adapted model does', async () => {
  const adapter = (await checkedExports()).find(({ name }) => name === 'adapter')?.adapter;
  if (!adapter) throw new Error('the adapted export has no adapter');
  const weights = await open();
  const [base, merged] = await Promise.all([
    ReferenceEngine.create(weights),
    ReferenceEngine.create(mergeAdapter(weights, adapter)),
  ]);
  await base.importAdapter('learnt', adapter);
  const ids = [1, 5, 9, 12, 7, 4];
  const expected = await base.logits({ ids, adapter: 'learnt' });
  const found = await merged.logits({ ids, adapter: null });
  const plain = await base.logits({ ids, adapter: null });
  const distance = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));
  expect(distance(found, expected)).toBeLessThan(1e-3);
  expect(distance(plain, expected)).toBeGreaterThan(0.1);
});

it('keeps every value of the int4 weights, widths that no block divides included', async () => {
  const weights = quantiseWeights(await open(), 'int4');
  const matrices = [...weights.tensors.values()].filter(({ shape }) => shape.length === 2);
  const odd = {
    shape: [3, 40],
    data: quantiseValues(
      Float32Array.from({ length: 120 }, (_, i) => Math.sin(i)),
      40,
      'int4',
    ),
  };
  for (const { shape, data } of [...matrices, odd]) {
    const [outputs, inputs] = shape as [number, number];
    const { blocks, packed, scales } = packInt4(data, outputs, inputs);
    const read = data.map((_, i) => {
      const [row, column] = [Math.floor(i / inputs), i % inputs];
      const at = row * blocks * BLOCK + column;
      const pair = packed[at >> 1] as number;
      return (
        ((column % 2 === 0 ? pair & 15 : pair >> 4) - 8) * (scales[row * blocks + Math.floor(column / BLOCK)] as number)
      );
    });
    expect(read).toEqual(data);
  }
});

it('writes numbers as protocol buffers do', () => {
  const bytes = new Message().int(1, 300).int(2, -1).float(3, 1).text(4, 'é').finish();
  const minusOne = [...new Array<number>(9).fill(0xff), 0x01];
  expect([...bytes]).toEqual([0x08, 0xac, 0x02, 0x10, ...minusOne, 0x1d, 0, 0, 0x80, 0x3f, 0x22, 2, 0xc3, 0xa9]);
});
