/** Tokenizers in a thread of their own: the same answers, and an end to what never ends. */
import { afterAll, describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/backends/tokenizer';
import { tokenizersIn } from '../../src/backends/tokenizerRemote';
import { FileError } from '../../src/engine/errors';
import type { FileSource } from '../../src/engine/source';
import type { Body } from '../../src/supervision';
import type { ChatMessage } from '../../src/tasks/types';
import { tokenizerThread } from '../../tools/cli/tokenizer';
import { byteTokenizer } from '../tasks/byteTokenizer';
import { QWEN_3 } from './templates';

const bodies: Body[] = [];
const start = (): Body => {
  const body = tokenizerThread();
  bodies.push(body);
  return body;
};
afterAll(() => bodies.forEach((body) => body.end()));

/** Quick, so that the tests are; a slow machine takes up to a second to start a thread. */
const limits = { open: 20_000, answer: 3_000 };
const open = tokenizersIn(start, { limits });

function source(tokenizer: object = {}, config: object = {}): FileSource {
  const files = byteTokenizer();
  const contents: Record<string, object> = {
    'tokenizer.json': { ...files['tokenizer.json'], ...tokenizer },
    'tokenizer_config.json': { ...files['tokenizer_config.json'], ...config },
  };
  return {
    name: 'tiny',
    read: async (path) => new TextEncoder().encode(JSON.stringify(contents[path])),
    exists: async () => false,
  };
}

const split = (Regex: string) => ({
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  },
});
const TALK: ChatMessage[] = [{ role: 'user', content: 'Hi é <|im_end|>' }];

describe('a tokenizer in a thread', () => {
  it('answers as one in this thread does', async () => {
    const files = source({}, { chat_template: QWEN_3 });
    const [far, near] = await Promise.all([open(files), loadTokenizer(files)]);
    expect([far.eosId, far.hasChatTemplate]).toEqual([near.eosId, near.hasChatTemplate]);
    const ids = await far.encodeChat(TALK, true);
    expect(ids).toEqual(await near.encodeChat(TALK, true));
    expect(await far.encodeTurn(TALK, 'Ho')).toEqual(await near.encodeTurn(TALK, 'Ho'));
    expect(await far.encodeContinuation('a', 'b')).toEqual(await near.encodeContinuation('a', 'b'));
    expect(await far.unknownIn('a é')).toEqual(await near.unknownIn('a é'));
    const texts = Array.from({ length: 1000 }, (_, i) => `text ${i}`);
    expect(await Promise.all(texts.map((text) => far.encode(text)))).toEqual(
      await Promise.all(texts.map((text) => near.encode(text))),
    );
    expect(await far.encodeDocument('a')).toEqual(await near.encodeDocument('a'));
    expect(far.decode(ids)).toBe(near.decode(ids));
    expect(ids.map((id) => far.tokenText(id))).toEqual(ids.map((id) => near.tokenText(id)));
  });

  it('says what is wrong with a file, as one in this thread does', async () => {
    const broken = source({ model: 1 });
    const near = await loadTokenizer(broken).catch((error: unknown) => error as FileError);
    const far = await open(broken).catch((error: unknown) => error as FileError);
    expect(far).toBeInstanceOf(FileError);
    expect((far as FileError).message).toBe((near as FileError).message);
    const refusing = await open(source({}, { chat_template: "{{ raise_exception('no') }}" }));
    await expect(refusing.encodeChat(TALK, true)).rejects.toThrow(/^tiny\/tokenizer_config\.json: .*it refuses: no/);
  });

  it('is ended where a pattern never ends, says so, and takes no other with it', async () => {
    const good = await open(source());
    const bad = await open(source(split('(a+)+$')));
    expect((await bad.encode('aa')).length).toBe(2);
    const error = await bad.encode(`${'a'.repeat(60)}b`).catch((caught: unknown) => caught as FileError);
    expect(error).toBeInstanceOf(FileError);
    expect((error as FileError).message).toMatch(
      /^tiny\/tokenizer\.json: The tokenizer took longer than 3 seconds .* It was ended\. Its pre_tokenizer/,
    );
    // In a new thread both go on.
    expect(await good.encode('b')).toEqual([98]);
    expect((await bad.encode('aa')).length).toBe(2);
  });

  it('answers all the same when its thread ends, whenever that is', async () => {
    const own: Body[] = [];
    const startOwn = (): Body => {
      own.push(start());
      return own.at(-1) as Body;
    };
    const far = await tokenizersIn(startOwn, { limits })(source());
    const near = await loadTokenizer(source());
    for (let ended = 0; ended < 3; ended++) {
      const text = `text ${ended}`;
      const answer = far.encode(text);
      own.at(-1)?.end();
      expect(await answer).toEqual(await near.encode(text));
    }
    expect(own.length).toBe(4);
  });

  it('keeps as many as it may and opens others again when they are asked', async () => {
    const many = await Promise.all([1, 2, 3, 4].map(() => open(source())));
    for (const one of many) expect((await one.encode('ab')).length).toBe(2);
  });

  it('bounds what grows, and what never ends at loading', async () => {
    const grows = { type: 'Replace', pattern: { String: 'x' }, content: 'x'.repeat(1000) };
    const bomb = source({ normalizer: { type: 'Sequence', normalizers: [grows, grows, grows, grows] } });
    await expect(open(bomb).then((tokenizer) => tokenizer.encode('xxx'))).rejects.toThrow(
      /tokenizer\.json: normalizer\.normalizers\.\d: makes more than 20000000 characters/,
    );
    const loop = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}';
    const template = await open(source({}, { chat_template: loop }));
    await expect(template.encodeChat(TALK, true)).rejects.toThrow(/takes more than 300000 steps/);
  });
});
