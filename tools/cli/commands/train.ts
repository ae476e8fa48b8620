/** `train`: finetune one LoRA adapter on a JSONL file. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROJECTIONS, type AdapterConfig, type OptimiserSettings } from '../../../src/engine/types';
import { STREAMS, shuffled } from '../../../src/random';
import {
  choice,
  dtypeHelp,
  dtypeOption,
  engineChoice,
  engineHelp,
  ENGINE_OPTIONS,
  number,
  readOptions,
  required,
  text,
  UsageError,
  type Values,
  IGNORE_CONFIG,
  ignoreHelp,
  ignoredKeys,
  ignoredIn,
} from '../args';
import { Output } from '../output';
import { serialiseAdapter } from '../../../src/engine/peft';
import { FileError } from '../../../src/engine/errors';
import { problem } from '../files';
import { openEngine, openModel, readAdapter, readBytes, requireFolderPlace } from '../session';
import { openTokenizer } from '../tokenizer';
import { readTrainingData } from '../trainingData';

export const help = `polylogue train --model DIR --data FILE --out DIR [options]

  --model DIR        folder in Hugging Face layout
  --data FILE        JSON lines {"prompt","completion"} (prompt: text, or chat messages) or
                     {"prompt_ids","completion_ids"}, a JSON list of such objects, or a CSV with the columns
                     prompt and completion; the end token follows a completion, unless "cut": true says
                     that it was cut before its end; ids are taken as they are; an example that is longer
                     than the model reads, or has a token that it or a character that its tokenizer lacks, is refused with its line
  --out DIR          where the PEFT adapter is written
  --adapter DIR      start from this PEFT adapter instead of a new one
  --rank R           default 8 (new adapters)
  --alpha A          default 16 (new adapters)
  --lr X             default 1e-3
  --batch B          sequences per step, default 8
  --epochs E         default 1; or
  --steps S          this many steps, going round the data as often as it takes
  --schedule NAME    constant, linear or cosine; default constant
  --warmup W         steps of warm-up, default 0
  --clip X           largest gradient norm; default none
  --seed N           initial weights and order of the data; default 0
  --shuffle false    keep the order of the file
  --raw              no chat template around text prompts; a BOS where the tokenizer puts one
${ignoreHelp(18)}
${dtypeHelp(18)}
${engineHelp(18)}
  --json             one JSON line per step: step, loss, grad_norm, lr, tokens`;

const ADAPTER = 'adapter';

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    model: { type: 'string' },
    data: { type: 'string' },
    out: { type: 'string' },
    adapter: { type: 'string' },
    rank: { type: 'string' },
    alpha: { type: 'string' },
    lr: { type: 'string' },
    batch: { type: 'string' },
    epochs: { type: 'string' },
    steps: { type: 'string' },
    schedule: { type: 'string' },
    warmup: { type: 'string' },
    clip: { type: 'string' },
    seed: { type: 'string' },
    shuffle: { type: 'string' },
    raw: { type: 'boolean' },
    dtype: { type: 'string' },
    ...ENGINE_OPTIONS,
    ...IGNORE_CONFIG,
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const optimiser = readOptimiser(values);
  const seed = number(values, 'seed', 0, { integer: true, min: 0 });
  const batchSize = number(values, 'batch', 8, { integer: true, min: 1 });
  const out = required(values, 'out');
  const dataFile = required(values, 'data');
  const dtype = dtypeOption(values);
  const choiceOfEngine = engineChoice(values);
  const own = ['rank', 'alpha'].find((name) => values[name] !== undefined);
  if (own !== undefined && values['adapter'] !== undefined)
    throw new UsageError(`--${own} goes with a new adapter; the one of --adapter has its own`);
  // Before the work, so that an unwritable place costs nothing; nothing is made there before there is an adapter.
  await requireFolderPlace(out);
  const model = await openModel(required(values, 'model'), ignoredKeys(values));
  let tokenizer: ReturnType<typeof openTokenizer> | undefined;
  const examples = await readTrainingData(dataFile, await readBytes(dataFile), {
    name: model.dir,
    config: model.config,
    tokenizer: () => (tokenizer ??= openTokenizer(model.dir)),
    raw: Boolean(values['raw']),
  });
  const batches = planBatches(values, examples.length, batchSize, seed);
  const from = text(values, 'adapter');
  const start = from === undefined ? null : await readAdapter(from, model.config);
  const config = start?.config ?? newAdapterConfig(values);
  const engine = await openEngine(
    choiceOfEngine,
    model,
    {
      maxRows: 1,
      maxAdapters: 1,
      maxRank: config.rank,
      dtype,
      maxLength: examples.reduce((most, example) => Math.max(most, example.ids.length), 0),
    },
    output,
  );
  if (start) await engine.importAdapter(ADAPTER, start);
  else await engine.createAdapter(ADAPTER, config, seed);
  const track = { adapter: ADAPTER, examples, batches };
  for await (const event of engine.train({ objective: 'sft', tracks: [track], optimiser })) {
    const [t] = event.tracks;
    if (!t) continue;
    const step = event.step + 1;
    output.object({
      step,
      loss: t.loss,
      grad_norm: t.gradNorm,
      lr: t.lr,
      tokens: t.tokens,
      ...ignoredIn(model.config),
    });
    output.line(
      `step ${step}/${event.totalSteps}  loss ${t.loss.toFixed(5)}  gradient norm ${t.gradNorm.toFixed(4)}  lr ${t.lr.toExponential(2)}`,
    );
  }
  const files = serialiseAdapter(await engine.exportAdapter(ADAPTER), model.config);
  await makeFolder(out);
  await writeAdapter(out, files);
  output.note(`adapter written to ${out} (${engine.info.device})`);
  await engine.dispose();
}

function readOptimiser(values: Values): OptimiserSettings {
  return {
    lr: number(values, 'lr', 1e-3, { min: 0 }),
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0,
    schedule: choice(values, 'schedule', ['constant', 'linear', 'cosine'] as const, 'constant'),
    warmupSteps: number(values, 'warmup', 0, { integer: true, min: 0 }),
    clip: number(values, 'clip', undefined, { above: 0 }) ?? null,
    accumulation: 1,
  };
}

function newAdapterConfig(values: Values): AdapterConfig {
  return {
    rank: number(values, 'rank', 8, { integer: true, min: 1, max: 256 }),
    alpha: number(values, 'alpha', 16, { above: 0 }),
    targets: [...PROJECTIONS],
  };
}

/** Example indices of every step: whole epochs, reshuffled each time, the last batch of an epoch may be short. */
function planBatches(values: Values, examples: number, batchSize: number, seed: number): number[][] {
  const shuffle = choice(values, 'shuffle', ['true', 'false'] as const, 'true') === 'true';
  const epochs = number(values, 'epochs', undefined, { integer: true, min: 1 });
  const steps = number(values, 'steps', undefined, { integer: true, min: 1 });
  if (epochs !== undefined && steps !== undefined) throw new UsageError('give either --epochs or --steps');
  const perEpoch = Math.ceil(examples / batchSize);
  const total = steps ?? (epochs ?? 1) * perEpoch;
  const indices = Array.from({ length: examples }, (_, i) => i);
  const batches: number[][] = [];
  for (let epoch = 0; batches.length < total; epoch++) {
    const order = shuffle ? shuffled(indices, { seed, stream: STREAMS.shuffle, iteration: epoch }) : indices;
    for (let at = 0; at < examples && batches.length < total; at += batchSize) {
      batches.push(order.slice(at, at + batchSize));
    }
  }
  return batches;
}

/** Each file is written beside its place and moved there, so an interruption leaves no half file. */
async function writeAdapter(dir: string, files: Record<string, Uint8Array>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    const temporary = join(dir, `${name}.part`);
    await writeFile(temporary, bytes);
    await rm(join(dir, name), { force: true });
    await rename(temporary, join(dir, name));
  }
}

async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (error) {
    throw new FileError(dir, problem(error));
  }
}
