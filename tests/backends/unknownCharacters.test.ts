/** Characters that a tokenizer lacks: those that become its unknown token, and those that become nothing. */
import { expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { folderSource } from '../../src/engine/loader-node';

const BYTES = Object.fromEntries(Array.from({ length: 256 }, (_, i) => [i, `<0x${i.toString(16).toUpperCase()}>`]));

/** A tokenizer of a and b, with and without what an unknown character may become. */
function tiny(model: object, vocab: object = {}, more: object = {}): Promise<ChatTokenizer> {
  const files: Record<string, object> = {
    'tokenizer.json': {
      added_tokens: [{ id: 2, content: '<end>', special: true, normalized: false }],
      model: { type: 'BPE', vocab: { a: 0, b: 1, '<unk>': 3, ...vocab }, merges: [], ...model },
      ...more,
    },
    'tokenizer_config.json': {},
  };
  return loadTokenizer({
    name: 'tiny',
    read: async (path) => new TextEncoder().encode(JSON.stringify(files[path])),
    exists: async () => false,
  });
}

it('counts the unknown tokens of a text, character by character', async () => {
  const tokenizer = await loadTokenizer(folderSource('static/models/arithmetic-0.4m'));
  for (const text of ['12+3=15', '12 + 3 = 15', 'zwölf 🙂 </s>', '']) {
    const unknown = (await tokenizer.encode(text)).filter((id) => tokenizer.tokenText(id) === '<unk>');
    expect(await tokenizer.unknownIn(text), text).toHaveLength(unknown.length);
  }
  expect(await tokenizer.unknownIn('1 é🙂é')).toEqual([' ', 'é', '🙂', 'é']);
});

it('names each of those that one token stands for, and those that vanish', async () => {
  const fused = await tiny({ unk_token: '<unk>', fuse_unk: true });
  expect(await fused.encode('acda')).toEqual([0, 3, 0]);
  expect(await fused.unknownIn('acda')).toEqual(['c', 'd']);
  const without = await tiny({});
  expect(await without.encode('acda')).toEqual([0, 0]);
  expect(await without.unknownIn('acda')).toEqual(['c', 'd']);
});

it('takes for known what is written in bytes, what the normalizer changes and what is a token as a whole', async () => {
  const bytes = Object.fromEntries(Object.entries(BYTES).map(([i, token]) => [token, 10 + Number(i)]));
  const padded = Object.fromEntries(
    Object.entries(bytes).map(([token, id]) => [token.replace(/^<0x(.)>$/, '<0x0$1>'), id]),
  );
  const fallback = await tiny({ unk_token: '<unk>', byte_fallback: true }, padded);
  expect(await fallback.unknownIn('a é🙂')).toEqual([]);
  const lower = await tiny({ unk_token: '<unk>' }, {}, { normalizer: { type: 'Lowercase' } });
  expect(await lower.unknownIn('ABC')).toEqual(['c']);
  const whole = await tiny({ unk_token: '<unk>', ignore_merges: true }, { ac: 4 });
  expect(await whole.encode('ac')).toEqual([4]);
  expect(await whole.unknownIn('ac')).toEqual([]);
  expect(await whole.unknownIn('aca')).toEqual(['c']);
});
