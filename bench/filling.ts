/**
 * How full the rows of a device are while a recipe generates: the calls and questions of a run, its decode steps as a GPU makes them (eight a
 * read, the next queued before the read), and tokens of prompts that were computed or taken over. Times play no part, so a software driver counts what a
 * GPU would. Adapters are made and learn nothing: training asks nothing.
 *
 *     npx tsx --import ./tools/cli/register.mjs bench/filling.ts RECIPE PRESET [key=value…] [--stories [--drawn]] [--rows N] [--alone]
 *
 * --stories   the model is tests/fixtures/stories260K with a chat template and more positions: a trained model of 260 thousand parameters
 *             that tells stories, whatever it is asked. They end by themselves, so answers differ in length as answers in words do.
 * --drawn     nothing is computed, and answers are drawn: words, as many as solutions of school problems have (drawnAnswers.ts)
 * --rows N    rows of the device at most, as where keys and values have little room
 * --alone     chunks do not share their calls
 */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MOST_STEPS_PER_READ } from '../src/engine/buffers';
import type { Decoder } from '../src/engine/gpu/decoder';
import { WebGpuEngine } from '../src/engine/gpu/engine';
import { openNodeGpu } from '../src/engine/gpu/node';
import { createRun, Runner } from '../src/lab/run/runner';
import { runtimeFor } from '../src/lab/setup/parts';
import { recipeNamed } from '../src/recipes';
import { resolveConfig } from '../src/recipes/resolve';
import { MemoryRunStore } from '../src/store/memory';
import { taskNamed } from '../src/tasks';
import { prepareModel } from '../tools/cli/prepared';
import { readSettings } from '../tools/cli/settings';
import { drawAnswers } from './drawnAnswers';

const MODEL = 'static/models/arithmetic-0.4m';

const STORIES = 'tests/fixtures/stories260K';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    drawn: { type: 'boolean' },
    stories: { type: 'boolean' },
    rows: { type: 'string' },
    alone: { type: 'boolean' },
  },
});
const [recipe, preset, ...settings] = positionals;
if (recipe === undefined || preset === undefined) throw new Error('usage: bench/filling.ts RECIPE PRESET [key=value…]');
const config = resolveConfig(preset, readSettings(settings), recipe);
const task = taskNamed(config.task);
const folder = values.stories ? talkingStories() : MODEL;
const prepared = await prepareModel({ config, folder, data: undefined }, task, { name: 'webgpu', workers: null });
const { model, tokenizer } = prepared;
const options = {
  ...prepared.options,
  maxRows: Math.min(prepared.options.maxRows ?? 1, Number(values.rows ?? Infinity)),
};
const engine = await WebGpuEngine.create(await openNodeGpu(), model.stream, { ...options, selfCheck: false });

const counted = { calls: 0, questions: 0, tokens: 0, steps: 0, places: 0 };
const lengths: number[] = [];
const decoder = Reflect.get(engine, 'decoder') as Decoder;
Object.assign(decoder, { stepsPerRead: MOST_STEPS_PER_READ });
Object.defineProperty(decoder, 'runsAhead', { value: true });
if (values.drawn) drawAnswers(decoder, ...wordsOf(folder));
const { decode } = decoder;
decoder.decode = (rows, steps, ...rest) => {
  counted.steps += steps;
  counted.places += steps * rows.length;
  decode.call(decoder, rows, steps, ...rest);
};
const { generate } = engine;
engine.generate = async (requests, how) => {
  const results = await generate.call(engine, requests, how);
  counted.calls++;
  counted.questions += requests.length;
  for (const { ids } of results) {
    counted.tokens += ids.length;
    lengths.push(ids.length);
  }
  return results;
};

engine.train = async function* () {};

const store = new MemoryRunStore();
const { id } = await createRun(store, config);
const runtime = runtimeFor(config, { engine, tokenizer, hash: '', options });
if (values.alone) Object.defineProperty(runtime, 'followed', { value: true });
const { digest } = await new Runner({
  recipe: recipeNamed(recipe),
  runtime,
  task,
  adapters: engine,
  store,
}).run(id);
const { calls, questions, tokens, steps, places } = counted;
const { prefilled, reused } = engine.counters;
lengths.sort((a, b) => a - b);
const perStep = (count: number): number => Number((count / steps).toFixed(1));
console.log(
  JSON.stringify({
    what: `${recipe} ${[preset, ...settings].join(' ')}`,
    model: values.drawn ? 'drawn' : values.stories ? 'stories260K' : 'arithmetic-0.4m',
    chunks: values.alone ? 'alone' : 'together',
    rows: options.maxRows,
    calls,
    questions,
    // Of answers: a tenth is at most as long, half, nine tenths.
    tokens: [0.1, 0.5, 0.9].map((share) => lengths[Math.floor(share * (lengths.length - 1))]),
    decodeSteps: steps,
    // A row's first token comes of its prompt.
    rowsPerStep: perStep(tokens - questions),
    // With rows that have ended and stand idle until the next read.
    placesPerStep: perStep(places),
    prefilled,
    reused,
    digest,
  }),
);
process.exit(0);

/** The model of stories as one that takes part in a debate in words. */
function talkingStories(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stories-'));
  cpSync(STORIES, folder, { recursive: true });
  const change = (name: string, more: object): void => {
    const path = join(folder, name);
    const read = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...read, ...more }));
  };
  const chat_template = "{{ bos_token }}{% for message in messages %}{{ message['content'] + '\n' }}{% endfor %}";
  change('tokenizer_config.json', { chat_template });
  change('config.json', { max_position_embeddings: 4096 });
  return folder;
}

/** Ids of words that stand anywhere, and the id that ends an answer. */
function wordsOf(dir: string): [words: number[], end: number] {
  const { model } = JSON.parse(readFileSync(join(dir, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const words = Object.entries(model.vocab).filter(([piece]) => /^▁[a-z]{3,}$/.test(piece));
  const { eosTokenIds } = engine.info.config;
  return [words.map(([, id]) => id), eosTokenIds[0] as number];
}
