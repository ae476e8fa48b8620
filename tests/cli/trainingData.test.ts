/** Lines of training data: text, conversations as the page writes them, ids. */
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { folderSource } from '../../src/engine/loader-node';
import { gsm8k } from '../../src/tasks/gsm8k';
import { toJsonl } from '../../src/ui/readings/datasets';
import { readTrainingData } from '../../tools/cli/trainingData';
import { tinySource } from '../tasks/tinyChatModel';

let tokenizer: ChatTokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(tinySource());
});

const CONFIG = { vocabSize: 258, maxPositions: 4096, eosTokenIds: [257] };
const read = (content: string | Uint8Array, raw = false, own = tokenizer, config = CONFIG) =>
  readTrainingData('data.jsonl', typeof content === 'string' ? new TextEncoder().encode(content) : content, {
    name: 'tiny',
    config,
    tokenizer: () => Promise.resolve(own),
    raw,
  });

describe('readTrainingData', () => {
  it('reads what the page downloads of a critic: the same tokens as the run trained on', async () => {
    const messages = gsm8k.revisePrompt({ id: 1, question: '1+1?' }, 'Two, \\boxed{2}.', 'They say 3.');
    expect(messages.length).toBe(3);
    const completion = 'Still \\boxed{2}.';
    const [first, second, ...rest] = await read(
      toJsonl([
        { messages, completion },
        { messages: [{ role: 'user', content: 'Hi' }], completion: 'Ho' },
      ]),
    );
    expect(rest).toEqual([]);
    const prompt = await tokenizer.encodeChat(messages, true);
    const learnt = [...(await tokenizer.encode(completion)), tokenizer.eosId as number];
    expect(first?.ids).toEqual([...prompt, ...learnt]);
    expect(first?.weights).toEqual([...prompt.map(() => 0), ...learnt.map(() => 1)]);
    expect(tokenizer.decode(Array.from(first?.ids ?? []))).toContain('They say 3.');
    expect(second?.ids).toEqual([
      ...(await tokenizer.encodeChat([{ role: 'user', content: 'Hi' }], true)),
      ...(await tokenizer.encode('Ho')),
      tokenizer.eosId,
    ]);
  });

  it('refuses a key that could change what is learnt, and passes over what a line says of itself', async () => {
    const line = { prompt: 'Hi', completion: 'Ho' };
    expect(await read(JSON.stringify({ ...line, id: 7, kind: 'C-' }))).toEqual(await read(JSON.stringify(line)));
    for (const key of ['weight', 'rejected', 'messages', 'label', '__proto__x'])
      await expect(read(JSON.stringify({ ...line, [key]: 1 }))).rejects.toThrow(`line 1: has the key "${key}"`);
  });

  it('learns no end where the page says that a response was cut', async () => {
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const lines = toJsonl([
      { messages, completion: 'Ho', cut: true },
      { messages, completion: 'Ho' },
    ]);
    expect(lines).toBe('{"prompt":"Hi","completion":"Ho","cut":true}\n{"prompt":"Hi","completion":"Ho"}\n');
    const [cut, whole] = (await read(lines)).map(({ ids }) => Array.from(ids));
    expect(whole).toEqual([...(cut ?? []), tokenizer.eosId]);
    expect(cut).toEqual([...(await tokenizer.encodeChat(messages, true)), ...(await tokenizer.encode('Ho'))]);
    expect(await read('{"prompt":"Hi","completion":"Ho","cut":false}')).toEqual((await read(lines)).slice(1));
  });

  it.each([
    [{ prompt: 'a', completion: 'x', cut: 'yes' }, /line 1: "cut" is "yes", neither true nor false/],
    [{ prompt_ids: [1], completion_ids: [2], cut: 1 }, /line 1: "cut" is 1/],
    [{ prompt: [], completion: 'x' }, /line 1: the prompt is empty/],
    [{ prompt: [{ role: 'tool', content: 'x' }], completion: 'x' }, /line 1: message 1 of "prompt" is not \{"role"/],
    [{ prompt: [{ role: 'user', content: 5 }], completion: 'x' }, /line 1: message 1/],
    [{ prompt: ['x'], completion: 'x' }, /line 1: message 1/],
    [
      {
        prompt: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
        completion: 'x',
      },
      /line 1: "prompt" ends with the assistant/,
    ],
    [{ prompt: 5, completion: 'x' }, /line 1: needs "prompt" \(text or messages\)/],
    [{ prompt: 'a' }, /line 1: needs/],
  ])('names the line of what is wrong (%#)', async (line, message) => {
    await expect(read(JSON.stringify(line))).rejects.toThrow(message);
  });

  it('begins a raw prompt as the tokenizer begins texts', async () => {
    const behindStart: ChatTokenizer = {
      ...tokenizer,
      encodeContinuation: async (text, completion) => {
        const { prompt, completion: behind } = await tokenizer.encodeContinuation(text, completion);
        return { prompt: [0, ...prompt], completion: behind };
      },
    };
    const line = '{"prompt":"Hi","completion":"Ho"}';
    const learnt = [...(await tokenizer.encode('Ho')), tokenizer.eosId];
    const [raw] = await read(line, true, behindStart);
    expect(raw?.ids).toEqual([0, ...(await tokenizer.encode('Hi')), ...learnt]);
    const [chat] = await read(line, false, behindStart);
    expect(chat?.ids[0]).toBe((await tokenizer.encodeChat([{ role: 'user', content: 'Hi' }], true))[0]);
  });

  it('refuses conversations where there is no template', async () => {
    const line = JSON.stringify({ prompt: [{ role: 'user', content: 'a' }], completion: 'b' });
    await expect(read(line, true)).rejects.toThrow(/needs a chat template, and with --raw none is used/);
    await expect(read(line, false, { ...tokenizer, hasChatTemplate: false })).rejects.toThrow(/the model has none/);
  });

  it('names line, tokens and limit of an example that is longer than the model reads', async () => {
    const ids = (count: number) => JSON.stringify({ prompt_ids: [1, 2], completion_ids: Array(count).fill(3) });
    const small = { ...CONFIG, maxPositions: 512 };
    expect(await read(ids(510), false, tokenizer, small)).toHaveLength(1);
    await expect(read(`${ids(3)}\n\n${ids(600)}`, false, tokenizer, small)).rejects.toThrow(
      'data.jsonl: line 3: has 602 tokens (2 of them the prompt), and the model reads 512 at most; shorten it or leave it out',
    );
    // The end token counts, and a cut completion has none.
    const text = (cut: boolean) => JSON.stringify({ prompt: 'a', completion: 'b'.repeat(511), cut });
    await expect(read(text(false), true, tokenizer, small)).rejects.toThrow('line 1: has 513 tokens (1 of them');
    expect(await read(text(true), true, tokenizer, small)).toHaveLength(1);
  });

  it('names line, token and id of a token that the embedding lacks', async () => {
    const padded = await loadTokenizer(tinySource(['<|pad|>', '<|more|>']));
    const line = (completion: string, prompt = 'a') => JSON.stringify({ prompt, completion });
    expect(await read(line('x<|pad|>y'), true, padded, { ...CONFIG, vocabSize: 260 })).toHaveLength(1);
    const said = /line 2: has the token "<\|pad\|>" with id 258, and the model's embedding has 258 tokens \(0 to 257\)/;
    await expect(read(`${line('b')}\n${line('x<|pad|>y')}`, true, padded)).rejects.toThrow(said);
    await expect(read(`${line('b')}\n${line('x', '<|pad|>')}`, true, padded)).rejects.toThrow(said);
    await expect(read(line('<|more|>'), true, padded)).rejects.toThrow(
      /line 1: has the token "<\|more\|>" with id 259/,
    );
    // The end token, too.
    await expect(read(line('b'), true, tokenizer, { ...CONFIG, vocabSize: 257, eosTokenIds: [] })).rejects.toThrow(
      /tiny: its tokenizer ends turns with token 257, and its embedding has 257 tokens/,
    );
  });

  it('refuses characters that the tokenizer lacks: how many, which, and the first line with one', async () => {
    const digits = await loadTokenizer(folderSource('static/models/arithmetic-0.4m'));
    const config = { vocabSize: 24, maxPositions: 512, eosTokenIds: [2] };
    const lines = ['{"prompt":"1+2=","completion":"3"}', '', '{"prompt":"2 + 3","completion":"é"}'];
    const more = [...lines, '{"prompt":"5!","completion":"twelve"}', '{"prompt_ids":[3],"completion_ids":[3]}'];
    expect(await read(lines[0]!, false, digits, config)).toHaveLength(1);
    await expect(read(lines.join('\n'), false, digits, config)).rejects.toThrow(
      'data.jsonl: line 3: has characters that the tokenizer of tiny lacks. 1 example has 3 of them: " " "é". The model would learn',
    );
    await expect(read(more.join('\n'), false, digits, config)).rejects.toThrow(
      'line 3: has characters that the tokenizer of tiny lacks. 2 examples have 10 of them: " " "é" "!" "t" "w" "e" "l" "v"',
    );
  });

  it('ends a completion with the token of the configuration where the tokenizer names none', async () => {
    const [example] = await read('{"prompt":"a","completion":"b"}', true, { ...tokenizer, eosId: null });
    expect(Array.from(example?.ids ?? []).at(-1)).toBe(257);
  });

  it('refuses bytes that are not UTF-8 with their line, as the importer of problems does', async () => {
    const first = new TextEncoder().encode('{"prompt":"a","completion":"b"}\n{"prompt":"caf');
    const bytes = new Uint8Array([...first, 0xe9, ...new TextEncoder().encode('","completion":"b"}\n')]);
    await expect(read(bytes)).rejects.toThrow('data.jsonl: line 2: is not UTF-8 text; save the file as UTF-8');
  });

  it('reads a list of objects, a table and a file with a byte-order mark alike', async () => {
    const lines = await read('{"prompt":"a, b","completion":"c"}\n');
    expect(await read('\uFEFF{"prompt":"a, b","completion":"c"}')).toEqual(lines);
    expect(await read('[\n{"prompt":"a, b",\n"completion":"c"}]')).toEqual(lines);
    expect(await read('prompt,completion\r\n"a, b",c\r\n')).toEqual(lines);
  });

  it.each([
    ['', /data\.jsonl: holds no examples; a line is an object with "prompt"/],
    ['[1]', /line 1: is not a JSON object/],
    ['{"prompt":"a","completion":"b"}\n[1]', /line 2: is not a JSON object/],
    [
      '{"prompt":"a","completion":"b"}\n{"prompt":"a","completion":Infinity}',
      /line 2: is not JSON: JSON has no Infinity/,
    ],
    ['prompt;completion\na;b', /line 1: separates its columns by semicolons/],
    ['{"prompt":"","completion":"b"}', /line 1: the prompt is empty/],
    ['{"prompt":"a","completion":""}', /line 1: the completion is empty/],
  ])('refuses %j', async (content, message) => {
    await expect(read(content)).rejects.toThrow(message);
  });
});
