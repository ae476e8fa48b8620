/** A tokenizer of bytes with a ChatML template, in the files of a Hugging Face repository. */

/** Ids of the beginning and the end of a turn: right after the bytes. */
export const START = 256;
export const END = 257;

/** The file's contents as values. @param pieces further tokens, found in texts as they are, from id END + 1 on */
export function byteTokenizer(pieces: readonly string[] = []): {
  'tokenizer.json': object;
  'tokenizer_config.json': object;
} {
  const ends = ['<|im_start|>', '<|im_end|>'];
  const added = [...ends, ...pieces].map((content, i) => ({
    id: START + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: i < ends.length,
  }));
  const vocab = Object.fromEntries([...byteCharacters(), ...ends].map((token, id) => [token, id] as const));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    'tokenizer.json': {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: { type: 'BPE', unk_token: null, fuse_unk: false, byte_fallback: false, vocab, merges: [] },
    },
    'tokenizer_config.json': {
      tokenizer_class: 'PreTrainedTokenizerFast',
      eos_token: '<|im_end|>',
      clean_up_tokenization_spaces: false,
      chat_template:
        "{%- for message in messages -%}{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}" +
        "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}",
    },
  };
}

/** GPT-2's printable stand-in for every byte, by byte. */
function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
}
