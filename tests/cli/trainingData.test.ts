/** Lines of training data: text, conversations as the page writes them, ids. */
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { gsm8k } from '../../src/tasks/gsm8k';
import { toJsonl } from '../../src/ui/model/datasets';
import { readTrainingData } from '../../tools/cli/trainingData';
import { tinySource } from '../tasks/tinyChatModel';

let tokenizer: ChatTokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(tinySource());
});

const read = (content: string, raw = false, own = tokenizer) =>
  readTrainingData('data.jsonl', content, 258, () => Promise.resolve(own), raw);

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
});
