import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/backends/tokenizer';
import type { FileSource } from '../../src/engine/loader';
import { tinyFiles } from '../tasks/tinyChatModel';

/** The end of Qwen3's template, with its switch. */
const THINKING =
  "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}" +
  "{%- if enable_thinking is defined and enable_thinking is false -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}{%- endif -%}";

function sourceWith(template?: string | null, beside?: string): FileSource {
  const files = tinyFiles();
  if (beside !== undefined) files['chat_template.jinja'] = new TextEncoder().encode(beside);
  if (template !== undefined) {
    const config = JSON.parse(new TextDecoder().decode(files['tokenizer_config.json'])) as Record<string, unknown>;
    files['tokenizer_config.json'] = new TextEncoder().encode(JSON.stringify({ ...config, chat_template: template }));
  }
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

describe('a chat tokenizer', () => {
  const messages = [{ role: 'user', content: 'Hi' }] as const;

  it('asks models that can think aloud not to', async () => {
    const tokenizer = await loadTokenizer(sourceWith(THINKING));
    const text = tokenizer.decode(tokenizer.encodeChat(messages, true));
    expect(text).toBe('user\nHi\nassistant\n<think>\n\n</think>\n\n');
  });

  it('takes the template from its own file where the configuration has none', async () => {
    const tokenizer = await loadTokenizer(sourceWith(null, THINKING));
    expect(tokenizer.hasChatTemplate).toBe(true);
    expect(tokenizer.decode(tokenizer.encodeChat(messages, true))).toContain('<think>');
  });

  it('leaves templates without that switch as they are', async () => {
    const tokenizer = await loadTokenizer(sourceWith());
    expect(tokenizer.decode(tokenizer.encodeChat(messages, true))).toBe('user\nHi\nassistant\n');
  });
});
