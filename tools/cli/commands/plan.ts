/** `plan`: the bytes that a model takes on a device, before anything is loaded. */
import {
  engineRoom,
  LEAST_BINDING,
  planModel,
  tooLargeFor,
  type ModelPlan,
  type TrainingSize,
} from '../../../src/engine/plan';
import { parameterCount, SHAPE_NAMES } from '../../../src/engine/shapes';
import type { EngineOptions } from '../../../src/engine/types';
import {
  cacheHelp,
  cacheOption,
  dtypeHelp,
  dtypeOption,
  number,
  readOptions,
  type Values,
  IGNORE_CONFIG,
  ignoreHelp,
  ignoredIn,
} from '../args';
import { Output } from '../output';
import { openConfig } from '../session';

export const help = `polylogue plan (--model DIR | --shape NAME) [options]

  --model DIR        folder in Hugging Face layout; only config.json is read
  --shape NAME       ${SHAPE_NAMES.join(', ')}
${ignoreHelp(18)}
${dtypeHelp(18)}
${cacheHelp(18)}
                     (auto is planned as f32: which device it will be is not known. Where weights are packed, the copy
                     of adapters in f16 counts, which devices that compute in f16 have)
  --rows N           rows decoded together, default 64
  --length N         longest sequence, default the model's, at most 1024
  --adapters N       default 16
  --rank R           largest rank of an adapter, default 16
  --train-tokens N   tokens of a training batch, padded; default none, no training
  --json             one JSON object

  These are the buffers that the WebGPU engine allocates, to the byte, before and (with --train-tokens) after its first
  training job. Parameters of kernels and one staging buffer come on top, some MiB for a large model. A device limits
  the size of one buffer: 128 MiB at least, 1 to 4 GiB on most. Embedding and head then lie in several buffers; what a device of 128 MiB
  refuses all the same is said.`;

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    model: { type: 'string' },
    shape: { type: 'string' },
    dtype: { type: 'string' },
    cache: { type: 'string' },
    rows: { type: 'string' },
    length: { type: 'string' },
    adapters: { type: 'string' },
    rank: { type: 'string' },
    'train-tokens': { type: 'string' },
    ...IGNORE_CONFIG,
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const { name, config } = await openConfig(values);
  const options = planOptions(values);
  const training = trainingSize(values, options.maxAdapters ?? 1);
  const plan = planModel(config, options, training);
  const parameters = parameterCount(config);
  const refusal = tooLargeFor(LEAST_BINDING, config, engineRoom(config, options));
  output.object({ model: name, parameters, options, training: training ?? null, plan, refusal, ...ignoredIn(config) });
  output.line(`${name}: ${parameters.toLocaleString('en')} parameters in ${options.dtype}`);
  if (config.ignored) output.line(`ignored in config.json: ${config.ignored.join(', ')}`);
  for (const line of table(plan)) output.line(line);
  if (refusal !== null) output.line(`a device with WebGPU's smallest buffers refuses it: ${refusal}`);
}

function planOptions(values: Values): EngineOptions {
  const whole = { integer: true, min: 1 };
  const optional = (option: string, key: keyof EngineOptions): EngineOptions => {
    const given = number(values, option, undefined, whole);
    return given === undefined ? {} : { [key]: given };
  };
  return {
    dtype: dtypeOption(values),
    cache: cacheOption(values),
    ...optional('rows', 'maxRows'),
    ...optional('length', 'maxLength'),
    ...optional('adapters', 'maxAdapters'),
    ...optional('rank', 'maxRank'),
  };
}

/** A batch in which every token is a target: the largest that so many tokens can be. */
function trainingSize(values: Values, tracks: number): TrainingSize | undefined {
  const tokens = number(values, 'train-tokens', undefined, { integer: true, min: 1 });
  return tokens === undefined ? undefined : { tokens, targets: tokens, tracks };
}

function table(plan: ModelPlan): string[] {
  const parts = [
    ['weights', plan.weights],
    ['keys and values', plan.kvCache],
    ['activations', plan.activations],
    ['adapters', plan.adapters],
    ['gradients and moments', plan.optimiser],
    ['total', plan.total],
  ] as const;
  const { name, bytes } = plan.largestBuffer;
  return [
    ...parts.map(([part, size]) => `${part.padEnd(22)} ${size.toLocaleString('en').padStart(16)}  ${mebibytes(size)}`),
    `${'largest buffer'.padEnd(22)} ${bytes.toLocaleString('en').padStart(16)}  ${mebibytes(bytes)}  ${name}`,
  ];
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1).padStart(9)} MiB`;
}
