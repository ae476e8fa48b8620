/**
 * Is the ONNX export the model? ONNX Runtime, native and on WASM, beside the reference engine: logits after every position and greedy
 * tokens, of the embedded model, of it with an adapter, and of its int4.
 *
 *     npm ci --prefix bench/peers
 *     npm run -s onnx:check > bench/results/exact/onnx.json
 *
 * Fails where logits differ by more than `LARGEST` or a token differs. A test holds the exporter to the hashes that it prints.
 */
import { createHash } from 'node:crypto';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { argmax } from '../../src/engine/reference/sampler';
import { openModelStream } from '../../src/engine/stream';
import { CHECKED_MODEL, checkedExports, type CheckedExport } from '../../tools/onnx/checked';
import { ORT_KINDS, OrtDecoder, type OrtKind } from './ort';

/** Two orders of additions over a few hundred f32 terms; logits of the model reach 20. */
const LARGEST = 1e-3;
const ROWS = [
  [1, 5, 9, 12, 7, 4, 3, 8],
  [2, 14, 11, 6, 10, 5, 13, 4],
  [1, 3, 3, 8, 15, 9, 6, 2],
];
const NEW_TOKENS = 24;
const ADAPTER = 'learnt';

/** Largest difference of logits, and how many greedy tokens agree before the first that does not. */
interface Compared {
  largestDifference: number;
  sameTokens: number;
}

async function compare(kind: OrtKind, { bytes, adapter }: CheckedExport, engine: ReferenceEngine): Promise<Compared> {
  const { config } = engine.info;
  const decoder = await OrtDecoder.open(kind, 1, bytes, config);
  const name = adapter === null ? null : ADAPTER;
  const found = (await decoder.logits(ROWS)).data;
  const texts = await decoder.generate(ROWS, NEW_TOKENS, argmax);
  await decoder.close();
  const result: Compared = { largestDifference: 0, sameTokens: NEW_TOKENS };
  const expected = await engine.generate(
    ROWS.map((ids) => ({
      ids,
      adapter: name,
      sampling: { temperature: 0, topK: 0, topP: 1, maxTokens: NEW_TOKENS, stopIds: [] },
      key: { seed: 1, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 },
    })),
  );
  for (const [row, ids] of ROWS.entries()) {
    const logits = await engine.logits({ ids, adapter: name });
    logits.forEach((value, i) => {
      const difference = Math.abs(value - (found[row * logits.length + i] as number));
      result.largestDifference = Math.max(result.largestDifference, difference);
    });
    const differs = texts[row]?.findIndex((id, t) => id !== expected[row]?.ids[t]) ?? 0;
    if (differs >= 0) result.sameTokens = Math.min(result.sameTokens, differs);
  }
  return result;
}

const report: Record<string, unknown> = { model: CHECKED_MODEL, limit: LARGEST, tokens: NEW_TOKENS };
let wrong = false;
for (const one of await checkedExports()) {
  const engine = await ReferenceEngine.create(await openModelStream(folderSource(CHECKED_MODEL)), { dtype: one.dtype });
  if (one.adapter) await engine.importAdapter(ADAPTER, one.adapter);
  const line: Record<string, unknown> = { sha256: createHash('sha256').update(one.bytes).digest('hex') };
  for (const kind of ORT_KINDS) {
    const compared = await compare(kind, one, engine);
    wrong ||= !(compared.largestDifference <= LARGEST) || compared.sameTokens < NEW_TOKENS;
    line[kind] = compared;
  }
  report[one.name] = line;
}
process.stdout.write(`${JSON.stringify(report, null, 1)}\n`);
process.exit(wrong ? 1 : 0);
