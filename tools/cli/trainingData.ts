/** Training data for `train`: a JSONL file of prompts and completions, as text, as chat messages or as token ids. */
import type { TrainExample } from '../../src/engine/types';
import { FileError } from '../../src/engine/errors';
import type { ChatTokenizer, Turn } from '../../src/backends/tokenizer';
import type { ChatMessage } from '../../src/tasks/types';

/** A line of a JSONL file is not what it should be. */
export class DataLineError extends FileError {
  constructor(file: string, line: number, problem: string) {
    super(file, `line ${line}: ${problem}`);
  }
}

interface Line {
  prompt?: unknown;
  completion?: unknown;
  prompt_ids?: unknown;
  completion_ids?: unknown;
  cut?: unknown;
}

/**
 * Reads every line; the loss is on the completion only. Ids are taken as they are. A text prompt is a user message
 * (chat template, when there is one); a prompt of messages is a conversation up to the assistant's turn that is learnt, as the
 * page's Data sets view writes it. The end token follows the completion, except where `cut` is true. Blank lines are skipped.
 * `tokenizer` is called only when a line needs one. Errors: DataLineError naming file and line.
 */
export async function readTrainingData(
  file: string,
  content: string,
  vocabSize: number,
  tokenizer: () => Promise<ChatTokenizer>,
  raw: boolean,
): Promise<TrainExample[]> {
  const examples: TrainExample[] = [];
  const lines = content.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const source = (lines[i] as string).trim();
    if (source === '') continue;
    examples.push(await readLine(parse(source, file, i + 1), file, i + 1, vocabSize, tokenizer, raw));
  }
  if (examples.length === 0) throw new FileError(file, 'holds no examples');
  return examples;
}

function parse(source: string, file: string, line: number): Line {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    throw new DataLineError(file, line, `not JSON (${(error as Error).message})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DataLineError(file, line, 'not a JSON object');
  return value;
}

async function readLine(
  line: Line,
  file: string,
  number: number,
  vocabSize: number,
  tokenizer: () => Promise<ChatTokenizer>,
  raw: boolean,
): Promise<TrainExample> {
  const { completion, cut = false } = line;
  if (typeof cut !== 'boolean')
    throw new DataLineError(file, number, `"cut" is ${JSON.stringify(cut)}, neither true nor false`);
  if (line.prompt_ids !== undefined || line.completion_ids !== undefined) {
    const prompt = checkIds(line.prompt_ids, 'prompt_ids', file, number, vocabSize);
    return example(prompt, checkIds(line.completion_ids, 'completion_ids', file, number, vocabSize), file, number);
  }
  if ((typeof line.prompt !== 'string' && !Array.isArray(line.prompt)) || typeof completion !== 'string')
    throw new DataLineError(
      file,
      number,
      'needs "prompt" (text or messages) and "completion" (text), or "prompt_ids" and "completion_ids"',
    );
  const prompt: string | ChatMessage[] =
    typeof line.prompt === 'string' ? line.prompt : checkMessages(line.prompt, file, number);
  const t = await tokenizer();
  const end = cut || t.eosId === null ? [] : [t.eosId];
  const turn = await turnOf(prompt, completion, t, raw, file, number);
  return example(turn.prompt, [...turn.completion, ...end], file, number);
}

async function turnOf(
  prompt: string | ChatMessage[],
  completion: string,
  tokenizer: ChatTokenizer,
  raw: boolean,
  file: string,
  line: number,
): Promise<Turn> {
  const plain = raw || !tokenizer.hasChatTemplate;
  if (typeof prompt === 'string')
    return plain
      ? tokenizer.encodeContinuation(prompt, completion)
      : tokenizer.encodeTurn([{ role: 'user', content: prompt }], completion);
  if (plain) {
    const why = raw ? 'with --raw none is used' : 'the model has none';
    throw new DataLineError(file, line, `a prompt of messages needs a chat template, and ${why}`);
  }
  return tokenizer.encodeTurn(prompt, completion);
}

const ROLES = ['system', 'user', 'assistant'];

function checkMessages(value: unknown[], file: string, line: number): ChatMessage[] {
  if (value.length === 0) throw new DataLineError(file, line, 'the prompt is empty');
  for (const [i, message] of value.entries()) {
    const { role, content } = (message ?? {}) as Record<string, unknown>;
    if (typeof role !== 'string' || !ROLES.includes(role) || typeof content !== 'string')
      throw new DataLineError(
        file,
        line,
        `message ${i + 1} of "prompt" is not {"role": ${ROLES.join('|')}, "content"}`,
      );
  }
  const messages = value as ChatMessage[];
  if (messages.at(-1)?.role === 'assistant')
    throw new DataLineError(file, line, '"prompt" ends with the assistant; its last turn belongs in "completion"');
  // Only what the template reads.
  return messages.map(({ role, content }) => ({ role, content }));
}

function checkIds(value: unknown, field: string, file: string, line: number, vocabSize: number): number[] {
  if (!Array.isArray(value)) throw new DataLineError(file, line, `"${field}" is not a list of token ids`);
  for (const id of value as unknown[]) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocabSize)
      throw new DataLineError(file, line, `"${field}" holds ${JSON.stringify(id)}, not a token id below ${vocabSize}`);
  }
  return value as number[];
}

function example(prompt: number[], completion: number[], file: string, line: number): TrainExample {
  if (prompt.length === 0) throw new DataLineError(file, line, 'the prompt is empty');
  if (completion.length === 0) throw new DataLineError(file, line, 'the completion is empty');
  return {
    ids: [...prompt, ...completion],
    weights: [...prompt.map(() => 0), ...completion.map(() => 1)],
  };
}
