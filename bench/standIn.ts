/**
 * A folder that stands in for SmolLM2-135M-Instruct where the real files are not at hand: its shape, random weights in BF16, and a tokenizer of
 * 49,152 pieces of which most say `\boxed{7}`. So random text has an answer, agents agree, and every part of the method has something to work on;
 * what they say means nothing.
 *
 *     npx tsx bench/standIn.ts FOLDER [LAYERS]
 *
 * Fewer than its 30 layers are for trying things out.
 */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { tensorShapes } from '../src/engine/config';
import { randomStream, shapeConfig } from '../src/engine/shapes';
import type { ModelConfig } from '../src/engine/types';
import { arithmeticChat } from '../src/tasks/arithmeticChat';
import { byteTokenizer, END } from '../tests/tasks/byteTokenizer';

const SEED = 135;
const SHAPE = shapeConfig('SmolLM2-135M');

export async function writeStandIn(folder: string, layers = SHAPE.numLayers): Promise<void> {
  const config = { ...SHAPE, numLayers: layers };
  await mkdir(folder, { recursive: true });
  const json = (name: string, value: unknown): Promise<void> => writeFile(join(folder, name), JSON.stringify(value));
  await json('config.json', {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: config.numHeads,
    num_key_value_heads: config.numKvHeads,
    vocab_size: config.vocabSize,
    max_position_embeddings: config.maxPositions,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: true,
    bos_token_id: null,
    eos_token_id: END,
    torch_dtype: 'bfloat16',
  });
  for (const [name, value] of Object.entries(byteTokenizer(pieces()))) await json(name, value);
  await writeWeights(join(folder, 'model.safetensors'), config);
}

/** Beside bytes and the ends of a turn: the words of the prompts, and boxed sevens for the rest of the vocabulary. */
function pieces(): string[] {
  const all = promptWords();
  for (let i = 0; END + 1 + all.length < SHAPE.vocabSize; i++) all.push(`\\boxed{7}${i.toString(36)} `);
  return all;
}

/** Words of the prompts with the space before them. */
function promptWords(): string[] {
  const [problem] = arithmeticChat.problems('train', 1, 1);
  if (!problem) throw new Error('the task makes no problem');
  const { solvePrompt, revisePrompt, summarise } = arithmeticChat;
  if (!summarise) throw new Error('the task has no summaries');
  const prompts = [solvePrompt(problem), revisePrompt(problem, 'own', summarise(['one', 'other']))];
  const text = prompts.flatMap((prompt) =>
    typeof prompt === 'string' ? [prompt] : prompt.map(({ content }) => content),
  );
  return [...new Set(text.join('\n').match(/ ?[A-Za-z]{2,}/g))];
}

async function writeWeights(path: string, config: ModelConfig): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const starts = new Map<string, number>();
  let end = 0;
  for (const [name, shape] of tensorShapes(config)) {
    const begin = end;
    end += 2 * shape.reduce((product, size) => product * size, 1);
    starts.set(name, begin);
    header[name] = { dtype: 'BF16', shape, data_offsets: [begin, end] };
  }
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  const file = await open(path, 'w');
  try {
    await file.write(Buffer.concat([length, head]), 0, undefined, 0);
    await randomStream(config, SEED).read(async ({ name, shape, firstRow, data }) => {
      const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
      // Cut off, not rounded: random numbers stay random.
      const halves = Uint16Array.from(words, (word) => word >>> 16);
      const at = 8 + head.length + (starts.get(name) ?? 0) + 2 * firstRow * (shape[1] ?? 1);
      await file.write(new Uint8Array(halves.buffer), 0, undefined, at);
    });
  } finally {
    await file.close();
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('usage: npx tsx bench/standIn.ts FOLDER [LAYERS]');
  const layers = process.argv[3];
  await writeStandIn(folder, layers === undefined ? undefined : Number(layers));
}
