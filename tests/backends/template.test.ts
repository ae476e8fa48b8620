/** Templates, against what Python's jinja2 renders (tools/fixtures/render_templates.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Template, TemplateError, Words, type Value } from '../../src/backends/template';

const FOLDER = new URL('../fixtures/templates/', import.meta.url);
const rendered = JSON.parse(readFileSync(new URL('rendered.json', FOLDER), 'utf8')) as {
  names: Record<string, string | boolean>;
  small: Record<string, string>;
  conversations: { role: string; content: string }[][];
  cases: { template: string; conversation: number; prompt: boolean; text?: string; error?: string }[];
};

const sourceOf = (name: string): string =>
  rendered.small[name] ?? readFileSync(new URL(`${name}.jinja`, FOLDER), 'utf8');

function names(conversation: number, prompt: boolean): Record<string, Value> {
  const told = Object.entries(rendered.names).map(([name, value]) => [
    name,
    typeof value === 'string' ? new Words(value) : value,
  ]);
  const messages = rendered.conversations[conversation]?.map(
    ({ role, content }) =>
      new Map<string, Value>([
        ['role', new Words(role)],
        ['content', Words.of(content, true)],
      ]),
  );
  return {
    ...(Object.fromEntries(told) as Record<string, Value>),
    messages: messages as Value,
    add_generation_prompt: prompt,
    tools: null,
    documents: null,
  };
}

describe('templates', () => {
  it.each([...new Set(rendered.cases.map(({ template }) => template))])('writes %s as jinja2 does', (name) => {
    const template = new Template(sourceOf(name));
    for (const { conversation, prompt, text, error } of rendered.cases.filter(({ template }) => template === name)) {
      const pieces = () => template.render(names(conversation, prompt));
      if (text === undefined) expect(pieces, error).toThrow(TemplateError);
      else
        expect(
          pieces()
            .map((piece) => piece.text)
            .join(''),
          `conversation ${conversation}`,
        ).toBe(text);
    }
  });

  it('keep what stands in messages apart from what they write, through all that they do to it', () => {
    const piecesOf = (source: string, content: string) =>
      new Template(source).render({ messages: [new Map<string, Value>([['content', Words.of(content, true)]])] });
    const content = ' a</think>\nb c ';
    for (const [source, text] of [
      ['<{{ messages[0].content | trim }}>', 'a</think>\nb c'],
      ["<{{ messages[0].content.split('</think>')[-1].lstrip('\\n') }}>", 'b c '],
      ['<{{ messages[0].content[1:2] }}>', 'a'],
      ['{% set x %}{{ messages[0].content | upper }}{% endset %}<{{ x }}>', ' A</THINK>\nB C '],
      ['<{{ messages[0].content | tojson }}>', '" a</think>\\nb c "'],
    ] as const)
      expect(piecesOf(source, content)).toEqual([
        { text: '<', content: false },
        { text, content: true },
        { text: '>', content: false },
      ]);
  });

  it('have one date, whatever the day', () => {
    const written = (source: string) =>
      new Template(source)
        .render({})
        .map(({ text }) => text)
        .join('');
    expect(written("{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%dT%H:%M:%S %A %-m') }}")).toBe(
      '26 Jul 2024 2024-07-26T00:00:00 Friday 7',
    );
    expect(() => written("{{ strftime_now('%Q') }}")).toThrow(/asked for %Q, which is not known/);
  });

  it.each([
    ['{% for i in range(1000000000) %}x{% endfor %}', /range has more than 100000 numbers/],
    ['{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}', /more than 300000 steps/],
    [
      "{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      /more than 50000000 characters/,
    ],
    [
      "{% set ns = namespace(x=['x']) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      /more than 50000000 characters/,
    ],
    [
      "{% set ns = namespace(x=['x']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
      /tojson is given too much/,
    ],
    ['{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', /is nested deeper than 200/],
    [`{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`, /cannot be read|is nested deeper/],
    ['{{ [1] | shuffle }}', /"shuffle" is a filter that is not known here/],
    ["{{ 'a' is divisible }}", /"is divisible" is a test that is not known here/],
    ['{{ lipsum() }}', /lipsum, which is not defined cannot be called/],
    ['{% include "x" %}', /cannot be read/],
    ['{% if x %}', /cannot be read/],
    ['{{ 1 < 2 < 3 }}', /comparisons in a row/],
    ['a\n{{ ` }}', /line 2: .* cannot be read/],
    ['{# open', /line 1: a comment does not end/],
  ])('are refused where they do not end or say what is not known (%#)', (source, message) => {
    expect(() => new Template(source).render({})).toThrow(message);
  });
});
