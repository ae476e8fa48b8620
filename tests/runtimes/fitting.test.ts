/** Prompts that quote more than there is room for, with a tokenizer of bytes: a token is a byte. */
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { fitPrompt } from '../../src/runtimes/fitting';
import type { QuotedTexts } from '../../src/runtimes/types';
import { shortenQuotes } from '../../src/society/quotes';
import { chatPrompts } from '../../src/tasks/chatPrompts';
import type { ChatMessage } from '../../src/tasks/types';
import { tinySource } from '../tasks/tinyChatModel';

const prompts = chatPrompts('a number');
const problem = { id: 1, question: 'What is 1+1?' };
let tokenizer: ChatTokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(tinySource());
});

function revision(own: string, ...others: string[]): { messages: ChatMessage[]; quotes: QuotedTexts } {
  const render = (quotes: { own: string | null; others: readonly (string | null)[] }) =>
    prompts.revisePrompt(problem, quotes.own, prompts.summarise(quotes.others));
  const quotes = { own, others };
  return {
    messages: render(quotes),
    quotes: { own, others, messages: (kept) => render(shortenQuotes(quotes, kept)) },
  };
}
const size = async (messages: ChatMessage[]) => (await tokenizer.encodeChat(messages, true)).length;
const bytes = (text: string) => new TextEncoder().encode(text).length;

describe('fitPrompt', () => {
  it('leaves a prompt alone that has room, and one that quotes nothing', async () => {
    const asked = revision('a'.repeat(50), 'b'.repeat(50));
    const length = await size(asked.messages);
    expect(await fitPrompt(asked, tokenizer, length + 10, 10)).toEqual({
      ids: await tokenizer.encodeChat(asked.messages, true),
    });
    expect((await fitPrompt({ messages: asked.messages }, tokenizer, length - 20, 10)).ids.length).toBe(length);
  });

  it("cuts the others' texts to one number of tokens, the longest that leaves the room", async () => {
    const others = ['b'.repeat(400), 'c'.repeat(90), 'é'.repeat(200), 'd'.repeat(3)];
    const asked = revision('a'.repeat(100), ...others);
    const limit = (await size(asked.messages)) - 500;
    const { ids, shortened } = await fitPrompt(asked, tokenizer, limit + 64, 64);
    const [first = 0, second, third = 0, fourth] = shortened?.others ?? [];
    expect([second, fourth, shortened?.own]).toEqual([90, 3, 100]);
    expect(first).toBeGreaterThan(100);
    // Two bytes a character, and none is torn.
    expect(third).toBe(Math.floor(first / 2));
    expect(ids.length).toBeLessThanOrEqual(limit);
    expect(ids.length).toBeGreaterThan(limit - 4);
    expect(tokenizer.decode(ids)).toContain(`\n${'b'.repeat(first)} […]\n`);
    expect(tokenizer.decode(ids)).toContain(`\n${'a'.repeat(100)}\n`.trim());
  });

  it('touches the own text only when nothing is left of the others', async () => {
    const asked = revision('a'.repeat(300), 'b'.repeat(100), 'c'.repeat(100));
    const without = (await size(asked.messages)) - 500;
    const { ids, shortened } = await fitPrompt(asked, tokenizer, without + 150 + 64, 64);
    expect(shortened?.others).toEqual([0, 0]);
    expect(shortened?.own).toBeGreaterThan(100);
    expect(shortened?.own).toBeLessThan(150);
    expect(ids.length).toBeLessThanOrEqual(without + 150);
  });

  it('never tears a pair of surrogates, nor bytes that were no UTF-8', async () => {
    for (const text of ['😀', '\uFFFD']) {
      const width = bytes(text);
      const asked = revision('', text.repeat(120));
      for (let less = 50; less < 50 + width; less++) {
        const { ids, shortened } = await fitPrompt(asked, tokenizer, (await size(asked.messages)) - less + 20, 20);
        expect((shortened?.others[0] ?? NaN) % text.length).toBe(0);
        expect(tokenizer.decode(ids)).toContain(`\n${text.repeat(60)}`);
        if (text === '😀') expect(tokenizer.decode(ids)).not.toContain('\uFFFD');
      }
    }
  });

  it('shares the room where all of it is too little for a whole response', async () => {
    const asked = revision('a'.repeat(300), 'b'.repeat(300));
    const none = (await fitPrompt(asked, tokenizer, 0, 64)).ids.length;
    const { ids, shortened } = await fitPrompt(asked, tokenizer, none + 200, 1000);
    expect(none + 200 - ids.length).toBeGreaterThanOrEqual(100);
    expect(none + 200 - ids.length).toBeLessThan(110);
    expect(shortened).toMatchObject({ others: [0] });
    // A single token of response is still asked for, and beyond that there is nothing to be done.
    expect((await fitPrompt(asked, tokenizer, none + 1, 64)).ids.length).toBe(none);
    expect((await fitPrompt(asked, tokenizer, none - 5, 64)).ids.length).toBe(none);
  });
});
