import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/backends/tokenizer';
import type { FileSource } from '../../src/engine/source';
import { urlSource } from '../../src/engine/urlSource';
import type { ChatMessage } from '../../src/tasks/types';
import { END, START } from '../tasks/byteTokenizer';
import { beginningTokenizer, tinyFiles } from '../tasks/tinyChatModel';
import { LLAMA_3_2, QWEN_2_5, QWEN_3, SMOL_LM_2 } from './templates';

/** The tiny tokenizer with a changed tokenizer_config.json, and other files. */
function sourceWith(change: object, more: Record<string, string> = {}): FileSource {
  const files = tinyFiles();
  const config = JSON.parse(new TextDecoder().decode(files['tokenizer_config.json'])) as Record<string, unknown>;
  const encoder = new TextEncoder();
  files['tokenizer_config.json'] = encoder.encode(JSON.stringify({ ...config, ...change }));
  for (const [path, text] of Object.entries(more)) files[path] = encoder.encode(text);
  return {
    name: 'tiny',
    read: async (path) => {
      const file = files[path];
      if (!file) throw new Error(`no ${path}`);
      return file;
    },
    exists: async (path) => path in files,
  };
}

/** The prompt's text; the tiny tokenizer leaves <|im_start|> and <|im_end|> out, its special tokens. */
async function written(source: FileSource, messages: readonly ChatMessage[]): Promise<string> {
  const tokenizer = await loadTokenizer(source);
  return tokenizer.decode(await tokenizer.encodeChat(messages, true));
}

const HI: ChatMessage = { role: 'user', content: 'Hi' };
/** As a revision is asked for. */
const DEBATE: ChatMessage[] = [HI, { role: 'assistant', content: '<b>3</b>' }, { role: 'user', content: 'Again' }];

describe('a chat tokenizer', () => {
  it('has the chat template of a file of its own where the configuration has none', async () => {
    const template = '{{ messages[0].content }}!';
    for (const change of [{ chat_template: undefined }, { chat_template: null }]) {
      expect(await written(sourceWith(change, { 'chat_template.jinja': template }), [HI])).toBe('Hi!');
    }
  });

  it('prefers that file where both are there, as transformers does, and asks no server for it', async () => {
    const source = sourceWith({}, { 'chat_template.jinja': '{{ messages[0].content }}!' });
    expect(await written(source, [HI])).toBe('Hi!');
    const asked: string[] = [];
    const exists = async (path: string) => asked.push(path) > 0;
    const served = { ...urlSource('http://localhost'), ...source, exists };
    expect(await written(served, [HI])).toBe('user\nHi\nassistant\n');
    expect(asked).toEqual([]);
  });

  it('writes what templates without switches say', async () => {
    expect(await written(sourceWith({}), [HI])).toBe('user\nHi\nassistant\n');
    expect(await written(sourceWith({ chat_template: QWEN_2_5 }), DEBATE)).toBe(
      'system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.\n' +
        'user\nHi\nassistant\n<b>3</b>\nuser\nAgain\nassistant\n',
    );
    expect(await written(sourceWith({ chat_template: SMOL_LM_2 }), DEBATE)).toBe(
      'system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face\n' +
        'user\nHi\nassistant\n<b>3</b>\nuser\nAgain\nassistant\n',
    );
  });

  it('asks models that can think aloud not to', async () => {
    expect(await written(sourceWith({ chat_template: QWEN_3 }), DEBATE)).toBe(
      'user\nHi\nassistant\n<b>3</b>\nuser\nAgain\nassistant\n<think>\n\n</think>\n\n',
    );
  });

  it('writes the same prompt on every day, and one token for the beginning', async () => {
    const source = sourceWith({ chat_template: LLAMA_3_2, bos_token: '<|begin_of_text|>', add_bos_token: true });
    expect(await written(source, [HI])).toBe(
      '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n' +
        'Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>' +
        '<|start_header_id|>assistant<|end_header_id|>\n\n',
    );
  });

  it("ends a turn as the template does, whatever the repository's end token", async () => {
    const eosOf = async (change: object): Promise<number | null> => (await loadTokenizer(sourceWith(change))).eosId;
    for (const chat_template of [QWEN_2_5, QWEN_3, SMOL_LM_2]) {
      expect(await eosOf({ chat_template, eos_token: '<|im_start|>' })).toBe(END);
    }
    // As TinyLlama's.
    const plain =
      "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token }}\n{% endfor %}";
    expect(await eosOf({ chat_template: plain })).toBe(END);
    expect(await eosOf({ chat_template: plain, eos_token: '<|im_start|>' })).toBe(START);
    // Nothing special after the text, a template that refuses, and none: the repository's.
    expect(await eosOf({ chat_template: '{{ messages[1].content }} bye' })).toBe(END);
    expect(await eosOf({ chat_template: "{{ raise_exception('no') }}" })).toBe(END);
    expect(await eosOf({ chat_template: undefined })).toBe(END);
    expect(await eosOf({ chat_template: undefined, eos_token: undefined })).toBeNull();
  });

  it('begins a text that stands alone as the tokenizer does by itself, and no other', async () => {
    const plain = await loadTokenizer(sourceWith({}));
    expect(await plain.encodeDocument('ab')).toEqual(await plain.encode('ab'));
    expect(await plain.encodeDocument('')).toEqual([]);
    for (const after of [false, true]) {
      const llama = await loadTokenizer(sourceWith({}, { 'tokenizer.json': beginningTokenizer(after) }));
      expect(await llama.encode('ab')).toEqual(await plain.encode('ab'));
      expect(await llama.encodeDocument('ab')).toEqual([START, ...(await plain.encode('ab'))]);
      expect(await llama.encodeDocument('')).toEqual([START]);
      expect(await llama.encodeChat([HI], true)).toEqual(await plain.encodeChat([HI], true));
    }
  });

  it('makes nothing of ids that a padded vocabulary has and the tokenizer has not', async () => {
    const tokenizer = await loadTokenizer(sourceWith({}));
    const ids = await tokenizer.encode('ab');
    expect(tokenizer.decode([ids[0] as number, 100_000, ids[1] as number])).toBe('ab');
    expect(tokenizer.decode([100_000])).toBe('');
  });

  it.each([
    ['ChatML', undefined],
    ['Qwen2.5', QWEN_2_5],
    ['SmolLM2', SMOL_LM_2],
    ['Qwen3', QWEN_3],
  ])('trains on the turn as the template writes it: prompt, response, end (%s)', async (_, template) => {
    const tokenizer = await loadTokenizer(sourceWith(template === undefined ? {} : { chat_template: template }));
    const response = 'So  2 + 3 = 5.\n\n\\boxed{5}';
    const trained = [
      ...(await tokenizer.encodeChat(DEBATE, true)),
      ...(await tokenizer.encode(response)),
      tokenizer.eosId,
    ];
    const turn = await tokenizer.encodeChat([...DEBATE, { role: 'assistant', content: response }], false);
    expect(turn).toEqual([...trained, ...(await tokenizer.encode('\n'))]);
  });
});
