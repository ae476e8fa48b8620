/**
 * How full the rows of a device are while a recipe generates: the calls and questions of a run, its decode steps as a GPU makes them (eight a
 * read, the next queued before the read), and tokens of prompts that were computed or taken over. Times play no part, so a software driver counts what a
 * GPU would. Adapters are made and learn nothing: training asks nothing.
 *
 *     npx tsx --import ./tools/cli/register.mjs bench/filling.ts RECIPE PRESET [key=value…]
 */
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

const MODEL = 'static/models/arithmetic-0.4m';

const [recipe, preset, ...settings] = process.argv.slice(2);
if (recipe === undefined || preset === undefined) throw new Error('usage: bench/filling.ts RECIPE PRESET [key=value…]');
const config = resolveConfig(preset, readSettings(settings), recipe);
const task = taskNamed(config.task);
const { model, tokenizer, options } = await prepareModel({ config, folder: MODEL, data: undefined }, task, {
  name: 'webgpu',
  workers: null,
});
const engine = await WebGpuEngine.create(await openNodeGpu(), model.stream, { ...options, selfCheck: false });

const counted = { calls: 0, questions: 0, tokens: 0, steps: 0, places: 0 };
const decoder = Reflect.get(engine, 'decoder') as Decoder;
Object.assign(decoder, { stepsPerRead: MOST_STEPS_PER_READ });
Object.defineProperty(decoder, 'runsAhead', { value: true });
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
  for (const { ids } of results) counted.tokens += ids.length;
  return results;
};

engine.train = async function* () {};

const store = new MemoryRunStore();
const { id } = await createRun(store, config);
const { digest } = await new Runner({
  recipe: recipeNamed(recipe),
  runtime: runtimeFor(config, { engine, tokenizer, hash: '', options }),
  task,
  adapters: engine,
  store,
}).run(id);
const { calls, questions, tokens, steps, places } = counted;
const { prefilled, reused } = engine.counters;
const perStep = (count: number): number => Number((count / steps).toFixed(1));
console.log(
  JSON.stringify({
    what: `${recipe} ${[preset, ...settings].join(' ')}`,
    rows: options.maxRows,
    calls,
    questions,
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
