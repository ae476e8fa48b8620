/** Training data for `train`: prompts and completions as text, as chat messages or as token ids, from a file of records. */
import type { ChatTokenizer, Turn } from '../../src/backends/tokenizer';
import type { ModelConfig, TrainExample } from '../../src/engine/types';
import { endTokens } from '../../src/runtimes/endTokens';
import { trainExample } from '../../src/runtimes/trainExample';
import { ProblemFileError } from '../../src/tasks/errors';
import { readRecords } from '../../src/tasks/records';
import { clipped } from '../../src/tasks/textLines';
import type { ChatMessage } from '../../src/tasks/types';
import { namedCharacters } from './tokenizer';

/** What the examples of a file are read for. */
export interface TrainingModel {
  /** For people. */
  name: string;
  config: Pick<ModelConfig, 'vocabSize' | 'maxPositions' | 'eosTokenIds'>;
  /** Asked for when a line needs one. */
  tokenizer: () => Promise<ChatTokenizer>;
  /** Text prompts as they are, without a chat template. */
  raw: boolean;
}

const LINE =
  '"prompt" (text or messages) and "completion" (text), or "prompt_ids" and "completion_ids" (lists of token ids)';

/** What a line is learnt from, and what it may say of itself. Any other key could mean that it is to be learnt otherwise. */
const READ = ['prompt', 'completion', 'cut', 'prompt_ids', 'completion_ids'];
const SAID = ['id', 'problem', 'kind', 'vote', 'iteration', 'agent', 'source'];

/**
 * Reads every line; the loss is on the completion only. Ids are taken as they are. A text prompt is a user message
 * (chat template, when there is one); a prompt of messages is a conversation up to the assistant's turn that is learnt, as the
 * page's Data sets view writes it. The end token follows the completion, except where `cut` is true. Blank lines are skipped.
 * @throws ProblemFileError naming file and line of what is no example, is longer than the model reads, or has a token that the model
 *   or a character that its tokenizer lacks
 */
export async function readTrainingData(file: string, bytes: Uint8Array, model: TrainingModel): Promise<TrainExample[]> {
  const examples: TrainExample[] = [];
  const lacking: Lacking = { lines: [], characters: [] };
  for (const { line, fields } of readRecords(file, bytes, { column: 'prompt', line: `an object with ${LINE}` })) {
    const refuse: Refuse = (problem) => {
      throw new ProblemFileError(file, line, problem);
    };
    const { prompt, completion, end, unknown } = await readFields(fields, model, refuse);
    if (unknown.length > 0) {
      // What else is wrong with the line may come of it.
      lacking.lines.push(line);
      lacking.characters.push(...unknown);
      continue;
    }
    if (prompt.length === 0) refuse('the prompt is empty');
    if (completion.length === 0) refuse('the completion is empty');
    const length = prompt.length + completion.length + (end === null ? 0 : 1);
    const most = model.config.maxPositions;
    if (length > most) {
      refuse(
        `has ${length} tokens (${prompt.length} of them the prompt), and the model reads ${most} at most; ` +
          'shorten it or leave it out',
      );
    }
    examples.push(trainExample({ prompt, completion }, end));
  }
  refuseLacking(file, model.name, lacking);
  if (examples.length === 0)
    throw new ProblemFileError(file, null, `holds no examples; a line is an object with ${LINE}`);
  return examples;
}

/** Lines with characters that the tokenizer lacks, and those characters, as often as they stand there. */
interface Lacking {
  lines: number[];
  characters: string[];
}

/** All of them are counted first: whoever mends a file mends it once. */
function refuseLacking(file: string, model: string, { lines, characters }: Lacking): void {
  const [first] = lines;
  if (first === undefined) return;
  const all = `${lines.length} ${lines.length === 1 ? 'example has' : 'examples have'} ${characters.length} of them`;
  throw new ProblemFileError(
    file,
    first,
    `has characters that the tokenizer of ${model} lacks. ${all}: ${namedCharacters(characters)}. ` +
      'The model would learn its unknown token in their place, or nothing; write them otherwise, or leave these examples out',
  );
}

type Refuse = (problem: string) => never;

async function readFields(
  fields: Readonly<Record<string, unknown>>,
  model: TrainingModel,
  refuse: Refuse,
): Promise<Turn & { end: number | null; unknown: string[] }> {
  const { completion, cut = false } = fields;
  const unknown = Object.keys(fields).find((key) => !READ.includes(key) && !SAID.includes(key));
  if (unknown !== undefined)
    refuse(
      `has the key "${clipped(unknown)}", which training does not know; leave it out (read: ${READ.join(', ')}; ignored: ${SAID.join(', ')})`,
    );
  const { vocabSize } = model.config;
  if (typeof cut !== 'boolean') refuse(`"cut" is ${clipped(JSON.stringify(cut))}, neither true nor false`);
  if (fields['prompt_ids'] !== undefined || fields['completion_ids'] !== undefined) {
    return {
      prompt: checkIds(fields['prompt_ids'], 'prompt_ids', vocabSize, refuse),
      completion: checkIds(fields['completion_ids'], 'completion_ids', vocabSize, refuse),
      end: null,
      unknown: [],
    };
  }
  if ((typeof fields['prompt'] !== 'string' && !Array.isArray(fields['prompt'])) || typeof completion !== 'string')
    return refuse(`needs ${LINE}`);
  if (completion === '') refuse('the completion is empty');
  const prompt = typeof fields['prompt'] === 'string' ? fields['prompt'] : checkMessages(fields['prompt'], refuse);
  const tokenizer = await model.tokenizer();
  const contents = typeof prompt === 'string' ? [prompt] : prompt.map(({ content }) => content);
  const [turn, ...lacking] = await Promise.all([
    encode(prompt, completion, tokenizer, model.raw, refuse),
    ...[...contents, completion].map((text) => tokenizer.unknownIn(text)),
  ]);
  const { end } = endTokens(tokenizer, model.config, model.name);
  for (const ids of [turn.prompt, turn.completion]) {
    const unknown = ids.find((id) => id >= vocabSize);
    if (unknown === undefined) continue;
    refuse(
      `has the token ${JSON.stringify(tokenizer.tokenText(unknown))} with id ${unknown}, and the model's embedding has ${vocabSize} tokens ` +
        `(0 to ${vocabSize - 1}); leave the token out, or take the tokenizer files that belong to these weights`,
    );
  }
  return { ...turn, end: cut ? null : end, unknown: lacking.flat() };
}

async function encode(
  prompt: string | ChatMessage[],
  completion: string,
  tokenizer: ChatTokenizer,
  raw: boolean,
  refuse: Refuse,
): Promise<Turn> {
  const plain = raw || !tokenizer.hasChatTemplate;
  if (typeof prompt === 'string') {
    if (prompt === '') refuse('the prompt is empty');
    if (plain) return tokenizer.encodeContinuation(prompt, completion);
    return tokenizer.encodeTurn([{ role: 'user', content: prompt }], completion);
  }
  if (plain) {
    const why = raw ? 'with --raw none is used' : 'the model has none';
    refuse(`a prompt of messages needs a chat template, and ${why}`);
  }
  return tokenizer.encodeTurn(prompt, completion);
}

const ROLES = ['system', 'user', 'assistant'];

function checkMessages(value: unknown[], refuse: Refuse): ChatMessage[] {
  if (value.length === 0) refuse('the prompt is empty');
  for (const [i, message] of value.entries()) {
    const { role, content } = (message ?? {}) as Record<string, unknown>;
    if (typeof role !== 'string' || !ROLES.includes(role) || typeof content !== 'string')
      refuse(`message ${i + 1} of "prompt" is not {"role": ${ROLES.join('|')}, "content"}`);
  }
  const messages = value as ChatMessage[];
  if (messages.at(-1)?.role === 'assistant')
    refuse('"prompt" ends with the assistant; its last turn belongs in "completion"');
  // Only what the template reads.
  return messages.map(({ role, content }) => ({ role, content }));
}

function checkIds(value: unknown, field: string, vocabSize: number, refuse: Refuse): number[] {
  if (!Array.isArray(value)) return refuse(`"${field}" is not a list of token ids`);
  for (const id of value as unknown[]) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocabSize)
      refuse(`"${field}" holds ${clipped(JSON.stringify(id))}, not a token id below ${vocabSize}`);
  }
  return value as number[];
}
