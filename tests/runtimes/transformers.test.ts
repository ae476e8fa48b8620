/**
 * transformers.js beside the engine, in its thread: the embedded model, whose ONNX file is of the same weights, and the lab's own draws.
 * The page's build of the package on WebAssembly computes here, as it does in a browser.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/backends/tokenizer';
import { ExactEngine } from '../../src/engine/exact/engine';
import { folderSource } from '../../src/engine/loader-node';
import { openModelStream } from '../../src/engine/stream';
import { openOnnxVoice } from '../../src/lab/setup/onnxVoice';
import { resolveConfig } from '../../src/recipes/resolve';
import { readRuntime } from '../../src/recipes/seats';
import { EngineRuntime } from '../../src/runtimes/engine';
import { LOGPROB_SCALE, MARGIN_SCALE, packNumbers } from '../../src/pack';
import type { Answer, Question, Voice } from '../../src/runtimes/types';
import { arithmetic } from '../../src/tasks/arithmetic';
import { threadBody } from '../../src/supervision';
import { checkedExports } from '../../tools/onnx/checked';
import { exportModel } from '../../tools/onnx/export';
import { ONNX_PARTS } from '../../tools/cli/voices';
import { loadModel } from '../engine/loadModel';
import { Worker } from 'node:worker_threads';

const FOLDER = fileURLToPath(new URL('../../static/models/arithmetic-0.4m', import.meta.url));
const PROBLEMS = 200;
const config = resolveConfig('arithmetic-quick', { seed: 5 });
const signal = new AbortController().signal;
let temporary = '';
let engine: EngineRuntime;
let exact: ExactEngine;
const open: Voice[] = [];

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'polylogue-onnx-'));
  const stream = await openModelStream(folderSource(FOLDER));
  exact = await ExactEngine.create(stream, { maxRows: 32, maxAdapters: 2, maxRank: 8 });
  const tokenizer = await loadTokenizer(folderSource(FOLDER));
  engine = new EngineRuntime({ engine: exact, tokenizer, model: { name: 'arithmetic-0.4m', hash: '' }, config });
});

afterAll(async () => {
  for (const voice of open) await voice.close();
  await exact.dispose();
  await rm(temporary, { recursive: true, force: true });
});

async function voiceOf(address: string, parts = ONNX_PARTS): Promise<Voice> {
  const spec = readRuntime('seats', `transformers:${address}`);
  const voice = await openOnnxVoice(parts, { spec, config, signal });
  open.push(voice);
  return voice;
}

/** Questions of a first round; greedy ones have no draws. */
function questions(temperature: number, adapter: string | null = null): Question[] {
  return arithmetic.problems('evaluation', PROBLEMS, 5).map((problem) => ({
    at: { purpose: 'evaluation', learner: 'base', iteration: 0, problem: problem.id },
    call: 'answer-0',
    kind: 'answer',
    agent: 'base',
    seat: 0,
    layer: 0,
    adapter,
    messages: [{ role: 'user', content: problem.question }],
    sampling: { temperature },
    draw: { stream: 2, iteration: 0, agent: 0, problem: problem.id, round: 1 },
  }));
}

/** How many answers have the same ids; margins of the engine where the others part. */
function agreement(own: readonly Answer[], others: readonly Answer[]): { same: number; margins: number[] } {
  const margins: number[] = [];
  own.forEach(({ ids = [], margins: known = [] }, at) => {
    const other = others[at]?.ids ?? [];
    const first = ids.findIndex((id, token) => id !== other[token]);
    if (first >= 0 || ids.length !== other.length) margins.push(known[Math.max(0, first)] ?? 0);
  });
  return { same: own.length - margins.length, margins };
}

/** As the log keeps them. */
const logged = ({ logprobs = [], margins = [] }: Answer) =>
  packNumbers(logprobs, LOGPROB_SCALE) + packNumbers(margins, MARGIN_SCALE);

describe('the embedded model', () => {
  it('is the file that the exporter writes of the committed weights', async () => {
    const { weights } = await loadModel(folderSource(FOLDER));
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(hash(await readFile(join(FOLDER, 'onnx/model.onnx')))).toBe(hash(exportModel(weights)));
  });

  it.each([
    ['greedy', 0],
    ['sampled with named draws', 1],
  ])('gives the ids of the engine on 200 problems (%s)', { timeout: 600_000 }, async (_, temperature) => {
    const voice = open[0] ?? (await voiceOf('arithmetic-0.4m'));
    const asked = questions(temperature);
    const [own, others] = [await engine.ask(asked), await voice.ask(asked)];
    const found = agreement(own, others);
    expect(found).toEqual({ same: PROBLEMS, margins: [] });
    expect(others.map(({ text, finish, tokens }) => [text, finish, tokens])).toEqual(
      own.map(({ text, finish, tokens }) => [text, finish, tokens]),
    );
    // Log-probabilities differ in their last bits only: what a log keeps of them is the same for nearly all.
    const alike = own.filter((answer, at) => logged(answer) === logged(others[at]!)).length;
    expect(alike).toBeGreaterThan(0.9 * PROBLEMS);
  });

  it('answers a question alone as it does in company, bit for bit, and says that it repeats itself', async () => {
    const voice = open[0]!;
    const some = questions(1).slice(0, 30);
    const together = await voice.ask(some);
    const alone = await voice.ask([some[7]!]);
    expect(alone[0]).toEqual(together[7]);
    expect(await voice.ask([...some].reverse())).toEqual([...together].reverse());
    expect(voice.can).toMatchObject({ repeats: true, ids: true, margins: true, training: false });
    expect(voice.describe()).toMatchObject({
      name: 'transformers:arithmetic-0.4m',
      engine: expect.stringMatching(/^@huggingface\/transformers 4\.\d+\.\d+, onnxruntime-web 1\.\d+/),
      model: { name: 'arithmetic-0.4m', hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      files: expect.stringMatching(/^[0-9a-f]{64}$/),
      dtype: 'fp32',
      device: 'wasm',
      gives: ['ids', 'logprobs', 'margins', 'scores', 'repeats'],
    });
  });

  it('reads given texts as the engine does', { timeout: 60_000 }, async () => {
    const voice = open[0]!;
    const asked = questions(0).slice(0, 20);
    const sampled = await engine.ask(asked);
    // What greedy decoding writes, and what it would not.
    const given = asked.map((question, at) => ({ ...question, given: at % 2 === 0 ? sampled[at]!.text : '7+7#0' }));
    const [own, theirs] = [await engine.ask(given), await voice.ask([...given, asked[0]!])];
    expect(theirs.at(-1)).toMatchObject({ text: sampled[0]!.text });
    own.forEach((answer, at) => {
      const other = theirs[at]!;
      expect([other.text, other.finish, other.tokens, other.ids]).toEqual([
        answer.text,
        answer.finish,
        answer.tokens,
        answer.ids,
      ]);
      answer.logprobs!.forEach((value, token) => expect(other.logprobs![token]).toBeCloseTo(value, 4));
      answer.margins!.forEach((value, token) => expect(other.margins![token]).toBeCloseTo(value, 3));
    });
    expect(own[1]!.margins!.some((margin) => margin < 0)).toBe(true);
  });

  it('gives the ids of the engine with an adapter, merged into its file', { timeout: 600_000 }, async () => {
    const merged = (await checkedExports()).find(({ name }) => name === 'adapter')!;
    const folder = await folderWith(merged.bytes);
    const voice = await voiceOf(folder);
    await exact.importAdapter('merged', merged.adapter!);
    const asked = questions(1, 'merged');
    const found = agreement(await engine.ask(asked), await voice.ask(asked));
    expect(found).toEqual({ same: PROBLEMS, margins: [] });
    const plain = agreement(await engine.ask(questions(1)), await voice.ask(asked));
    expect(plain.same).toBeLessThan(0.9 * PROBLEMS);
  });
});

async function folderWith(onnx: Uint8Array | null): Promise<string> {
  const folder = await mkdtemp(join(temporary, 'model-'));
  for (const file of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'])
    await cp(join(FOLDER, file), join(folder, file));
  await mkdir(join(folder, 'onnx'));
  if (onnx) await writeFile(join(folder, 'onnx/model.onnx'), onnx);
  return folder;
}

describe('what goes wrong', () => {
  it('names a missing and a damaged file', { timeout: 60_000 }, async () => {
    await expect(voiceOf(await folderWith(null))).rejects.toMatchObject({
      name: 'VoiceModelError',
      message: expect.stringMatching(/onnx\/model\.onnx/),
    });
    await expect(voiceOf(await folderWith(new Uint8Array(1000)))).rejects.toMatchObject({ name: 'VoiceModelError' });
    await expect(voiceOf(await folderWith(null)).catch((error: Error) => error.message)).resolves.toMatch(
      /A model for it has config\.json, tokenizer\.json/,
    );
  });

  it('names runtime files that are not there', { timeout: 60_000 }, async () => {
    const runtime = () => ({ mjs: 'file:///nowhere/ort-wasm.mjs', wasm: 'file:///nowhere/ort-wasm.wasm' });
    await expect(voiceOf('arithmetic-0.4m', { ...ONNX_PARTS, runtime })).rejects.toMatchObject({
      name: 'RuntimeFilesError',
      message: expect.stringMatching(/The site serves these files under runtimes\/onnx/),
    });
  });

  it('does not wait for a worker that ends or was never there', { timeout: 60_000 }, async () => {
    const start = () => threadBody(new Worker(new URL('file:///nowhere/thread.mjs')) as never);
    await expect(voiceOf('arithmetic-0.4m', { ...ONNX_PARTS, start })).rejects.toMatchObject({
      name: 'VoiceWorkerError',
      message: expect.stringMatching(/could not be started.*Resume the run/),
    });
    let worker: ReturnType<typeof ONNX_PARTS.start> | null = null;
    const voice = await voiceOf('arithmetic-0.4m', { ...ONNX_PARTS, start: () => (worker = ONNX_PARTS.start()) });
    const asking = voice.ask(questions(1));
    setTimeout(() => worker?.end(), 100);
    await expect(asking).rejects.toMatchObject({ name: 'VoiceWorkerError' });
    // The next question has a new worker.
    expect((await voice.ask(questions(1).slice(0, 1)))[0]?.tokens).toBeGreaterThan(0);
  });
});
