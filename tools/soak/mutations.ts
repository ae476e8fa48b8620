/** Damaged and hostile tokenizers and templates, by seed and number. */
import { BYTE_CHARACTERS } from '../../src/backends/tokenizer/bytes';
import { drawUniform } from '../../src/random';

export interface Mutant {
  tokenizer: string;
  config: string;
}

/** Draws of one mutant: the same for the same seed and number. */
export class Draws {
  #count = 0;
  constructor(
    private readonly seed: number,
    private readonly number: number,
  ) {}

  below(size: number): number {
    return Math.floor(drawUniform({ seed: this.seed, stream: 77, problem: this.number }, this.#count++) * size);
  }

  one<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const TURN = ['<|im_start|>', '<|im_end|>'];
const FLAGS = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
const BASE = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: TURN.map((content, i) => ({ id: 256 + i, content, ...FLAGS })),
  normalizer: {
    type: 'Sequence',
    normalizers: [{ type: 'NFC' }, { type: 'Replace', pattern: { String: '\t' }, content: ' ' }],
  },
  pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, BYTE_LEVEL] },
  post_processor: null,
  decoder: BYTE_LEVEL,
  model: {
    type: 'BPE',
    unk_token: null,
    fuse_unk: false,
    byte_fallback: false,
    vocab: Object.fromEntries([...BYTE_CHARACTERS, ...TURN, 'th', 'the'].map((token, id) => [token, id])),
    merges: [
      ['t', 'h'],
      ['th', 'e'],
    ],
  },
};

const TEMPLATES = [
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  '{%- set ns = namespace(n=0) -%}{%- for m in messages[::-1] -%}{%- set ns.n = ns.n + 1 -%}{%- endfor -%}{{ ns.n }}' +
    "{%- for m in messages %}{%- if loop.first and m.role != 'system' %}{{- 'You help.<|im_end|>\\n' }}{%- endif %}" +
    "{{- m.content.split('</think>')[-1].lstrip('\\n') | trim }}{{ eos_token }}{%- endfor %}",
];
const SNIPPETS = [
  '{%',
  '%}',
  '{{',
  '}}',
  '{#',
  '#}',
  '-',
  '|',
  '(',
  ')',
  '[',
  ']',
  "'",
  '"',
  '\\',
  ' for x in messages ',
  ' ~ ',
].concat([
  'namespace(',
  'range(99999)',
  '{% endfor %}',
  '{% if',
  '\u0000',
  '\uD800',
  '😀',
  '\n',
  '**9999999',
  '{{ x }}',
  'messages.x.y',
]);
const TEMPLATE_BOMBS = [
  '{% for i in range(1000000000) %}x{% endfor %}',
  '{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}',
  "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
  "{% set ns = namespace(x=['x']) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | length }}",
  "{% set ns = namespace(x='x') %}{% for i in range(99) %}{% set ns.x = ns.x.replace('x', 'xxxxxxxxxx') %}{% endfor %}",
  "{% set ns = namespace(x=['x']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
  '{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}',
  '('.repeat(20_000),
  '{{ ' + '['.repeat(20_000) + ' }}',
  '{{ ' + 'not '.repeat(20_000) + '1 }}',
  '{% if 1 %}'.repeat(5_000) + '{% endif %}'.repeat(5_000),
  '{{ ' + '1 + '.repeat(20_000) + '1 }}',
  "{{ 'a' * 999999999 }}",
  "{{ messages | map(attribute='content') | join(',' ) | tojson(indent=999999) }}",
];
const PATTERN_BOMBS = [
  '(a+)+$',
  '(a|aa)+$',
  '(.*a){24}$',
  '((a*)*)*b',
  '(?:a?){40}a{40}$',
  '(x+x+)+y',
  '(\\s*\\S*)*!$',
];

const nested = (depth: number, key: string, type: string): unknown => {
  let inner: unknown = { type: 'NFC' };
  for (let i = 0; i < depth; i++) inner = { type, [key]: [inner, inner].slice(0, 1) };
  return inner;
};
const grows = { type: 'Replace', pattern: { String: 'e' }, content: 'e'.repeat(900) };
const split = (Regex: string): unknown => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });

type Json = Record<string, unknown>;
/** Bombs of tokenizer.json. */
const FILE_BOMBS: ((file: Json, draws: Draws) => void)[] = [
  (file, draws) => (file['pre_tokenizer'] = split(draws.one(PATTERN_BOMBS))),
  (file, draws) =>
    (file['normalizer'] = { type: 'Replace', pattern: { Regex: draws.one(PATTERN_BOMBS) }, content: 'x' }),
  (file) => (file['normalizer'] = { type: 'Sequence', normalizers: Array.from({ length: 20 }, () => grows) }),
  (file) =>
    (file['normalizer'] = { type: 'Sequence', normalizers: Array.from({ length: 5_000 }, () => ({ type: 'NFD' })) }),
  (file) => (file['normalizer'] = nested(300, 'normalizers', 'Sequence')),
  (file) => (file['pre_tokenizer'] = nested(300, 'pretokenizers', 'Sequence')),
  (file) => (file['decoder'] = nested(300, 'decoders', 'Sequence')),
  (file) => ((file['model'] as Json)['merges'] = Array.from({ length: 100_000 }, () => ['t', 'h'])),
  (file) =>
    ((file['model'] as Json)['vocab'] = Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`t${i}`, i]))),
  (file) =>
    (file['added_tokens'] = Array.from({ length: 20_000 }, (_, i) => ({
      id: i,
      content: 'a'.repeat(1 + (i % 9_000)),
      ...FLAGS,
    }))),
  (file) => ((file['added_tokens'] as Json[])[0]!['content'] = ''),
  (file) => (file['pre_tokenizer'] = split('['.repeat(2_000))),
];

const VALUES: readonly unknown[] = [null, true, -1, 1e308, 0.5, '', 'x', '\uD800', [], {}, [[]], 'BPE', '\\', '('];

/** A mutant by number. */
export function mutant(seed: number, number: number): Mutant {
  const draws = new Draws(seed, number);
  const file = structuredClone(BASE) as unknown as Json;
  let template = draws.one(TEMPLATES);
  const kind = draws.below(10);
  if (kind === 0) draws.one(FILE_BOMBS)(file, draws);
  else if (kind === 1) template = draws.one(TEMPLATE_BOMBS);
  else if (kind < 6) for (let i = draws.below(3); i >= 0; i--) change(file, draws);
  else for (let i = draws.below(2); i >= 0; i--) template = cut(template, draws);
  let tokenizer = JSON.stringify(file);
  if (kind === 5) tokenizer = draws.below(20) === 0 ? '{"model":'.repeat(50_000) : cut(tokenizer, draws);
  return { tokenizer, config: JSON.stringify({ eos_token: '<|im_end|>', chat_template: template }) };
}

/** Removes, replaces or adds one field somewhere. */
function change(file: Json, draws: Draws): void {
  let holder = file;
  for (let depth = draws.below(5); depth > 0; depth--) {
    const inner = holder[draws.one(Object.keys(holder))];
    if (typeof inner !== 'object' || inner === null || Object.keys(inner).length === 0) break;
    holder = inner as Json;
  }
  const keys = Object.keys(holder);
  const key = keys.length === 0 ? 'new' : draws.one(keys);
  const how = draws.below(4);
  if (how === 0) delete holder[key];
  else if (how === 1) holder[key] = draws.one(VALUES);
  else if (how === 2) holder[`${key}_new`] = draws.one(VALUES);
  else holder[key] = structuredClone(file[draws.one(Object.keys(file))] ?? null);
}

/** Removes, doubles or puts in a piece of a text. */
function cut(text: string, draws: Draws): string {
  const start = draws.below(text.length + 1);
  const end = Math.min(text.length, start + draws.below(20));
  const how = draws.below(3);
  if (how === 0) return text.slice(0, start) + text.slice(end);
  if (how === 1) return text.slice(0, end) + text.slice(start);
  return text.slice(0, start) + draws.one(SNIPPETS) + text.slice(start);
}
