/**
 * Tokens of a Jinja template, with the white space that Python's jinja2 leaves under `trim_blocks` and `lstrip_blocks`, as chat
 * templates are rendered. The tokens are those of @huggingface/jinja's parser.
 */

export interface Token {
  value: string;
  type: string;
}

/** A template that cannot be read, by line. */
export class TemplateError extends Error {}

/** A template that takes or makes more than it may. */
export class TooMuchError extends TemplateError {}

const OPERATORS: readonly (readonly [string, string])[] = [
  ['<=', 'ComparisonBinaryOperator'],
  ['>=', 'ComparisonBinaryOperator'],
  ['==', 'ComparisonBinaryOperator'],
  ['!=', 'ComparisonBinaryOperator'],
  ['**', 'ExponentiationBinaryOperator'],
  ['//', 'MultiplicativeBinaryOperator'],
  ['<', 'ComparisonBinaryOperator'],
  ['>', 'ComparisonBinaryOperator'],
  ['(', 'OpenParen'],
  [')', 'CloseParen'],
  ['{', 'OpenCurlyBracket'],
  ['}', 'CloseCurlyBracket'],
  ['[', 'OpenSquareBracket'],
  [']', 'CloseSquareBracket'],
  [',', 'Comma'],
  ['.', 'Dot'],
  [':', 'Colon'],
  ['|', 'Pipe'],
  ['+', 'AdditiveBinaryOperator'],
  ['-', 'AdditiveBinaryOperator'],
  ['~', 'AdditiveBinaryOperator'],
  ['*', 'MultiplicativeBinaryOperator'],
  ['/', 'MultiplicativeBinaryOperator'],
  ['%', 'MultiplicativeBinaryOperator'],
  ['=', 'Equals'],
];

/** White space of Python; four control characters are among it. */
// eslint-disable-next-line no-control-regex
export const SPACE = /[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const BEGIN = /\{([%{#])([-+]?)/g;
const COMMENT_END = /([-+]?)#\}/g;
const NUMBER = /\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?/y;
const NAME = /[A-Za-z_\u0080-\uFFFF][\w\u0080-\uFFFF]*/y;
const STRING = /'((?:[^'\\]|\\[\s\S])*)'|"((?:[^"\\]|\\[\s\S])*)"/y;

/** @throws TemplateError */
export function lex(source: string): Token[] {
  const text = source.replace(/\r\n|\r/g, '\n').replace(/\n$/, '');
  const tokens: Token[] = [];
  let position = 0;
  // A tag right behind a line break may be indented.
  let lineStarts = true;
  while (position < text.length) {
    BEGIN.lastIndex = position;
    const tag = BEGIN.exec(text);
    const before = text.slice(position, tag?.index ?? text.length);
    const kept = tag ? leading(before, tag[1] as string, tag[2] as string, lineStarts) : before;
    if (kept !== '') tokens.push({ type: 'Text', value: kept });
    if (!tag) break;
    const start = tag.index + tag[0].length;
    position = tag[1] === '#' ? comment(text, start) : readTag(text, start, tag[1] === '{', tokens);
    lineStarts = text[position - 1] === '\n';
  }
  return tokens;
}

/** Text before a tag, less what the tag strips. */
function leading(before: string, kind: string, sign: string, lineStarts: boolean): string {
  if (sign === '-') return rstrip(before);
  if (sign === '+' || kind === '{') return before;
  const line = before.lastIndexOf('\n') + 1;
  if (line === 0 && !lineStarts) return before;
  for (let i = line; i < before.length; i++) if (!SPACE.test(before[i]!)) return before;
  return before.slice(0, line);
}

function rstrip(text: string): string {
  let end = text.length;
  while (end > 0 && SPACE.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

const skipSpace = (text: string, position: number): number => {
  while (position < text.length && SPACE.test(text[position]!)) position++;
  return position;
};

const lineOf = (text: string, position: number): number => text.slice(0, position).split('\n').length;

/** Where the text goes on behind a tag's end. */
function behind(text: string, end: number, sign: string, trims: boolean): number {
  if (sign === '-') return skipSpace(text, end);
  return trims && sign === '' && text[end] === '\n' ? end + 1 : end;
}

function comment(text: string, start: number): number {
  COMMENT_END.lastIndex = start;
  const end = COMMENT_END.exec(text);
  if (!end) throw new TemplateError(`line ${lineOf(text, start)}: a comment does not end`);
  return behind(text, end.index + end[0].length, end[1] as string, true);
}

/** Reads a statement or an expression up to its end. `{% generation %}` marks what is learnt elsewhere; it writes nothing. */
function readTag(text: string, start: number, expression: boolean, tokens: Token[]): number {
  const close = expression ? '}}' : '%}';
  const name = expression ? 'Expression' : 'Statement';
  const read: Token[] = [];
  let depth = 0;
  for (let position = skipSpace(text, start); position < text.length; position = skipSpace(text, position)) {
    const sign = text[position] === '-' || (!expression && text[position] === '+') ? (text[position] as string) : '';
    const ends = depth === 0 && text.startsWith(close, position + sign.length);
    if (ends) {
      if (!/^(?:end)?generation$/.test(expression || read.length !== 1 ? '' : (read[0] as Token).value))
        tokens.push({ type: `Open${name}`, value: expression ? '{{' : '{%' }, ...read, {
          type: `Close${name}`,
          value: close,
        });
      return behind(text, position + sign.length + close.length, sign, !expression);
    }
    const token = next(text, position);
    read.push(token.token);
    position = token.end;
    if ('([{'.includes(token.token.value) && token.token.type.startsWith('Open')) depth++;
    if (token.token.type.startsWith('Close')) depth--;
  }
  throw new TemplateError(`line ${lineOf(text, start)}: a tag does not end`);
}

function next(text: string, position: number): { token: Token; end: number } {
  for (const [pattern, type] of [
    [NUMBER, 'NumericLiteral'],
    [NAME, 'Identifier'],
  ] as const) {
    pattern.lastIndex = position;
    const match = pattern.exec(text)?.[0];
    if (match === undefined) continue;
    const value = type === 'NumericLiteral' ? match.replaceAll('_', '') : match;
    return { token: { type, value }, end: position + match.length };
  }
  STRING.lastIndex = position;
  const string = STRING.exec(text);
  if (string)
    return {
      token: { type: 'StringLiteral', value: unescape(string[1] ?? string[2] ?? '') },
      end: position + string[0].length,
    };
  const operator = OPERATORS.find(([sign]) => text.startsWith(sign, position));
  if (!operator)
    throw new TemplateError(
      `line ${lineOf(text, position)}: ${JSON.stringify(text.slice(position, position + 10))} cannot be read`,
    );
  return { token: { type: operator[1], value: operator[0] }, end: position + operator[0].length };
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', a: '\x07', '\n': '' };
Object.assign(ESCAPES, { "'": "'", '"': '"', '\\': '\\' });

/** Escapes as in a string of Python. */
function unescape(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
    (whole: string, x?: string, u?: string, long?: string, octal?: string, other?: string) => {
      const hex = x ?? u ?? long;
      if (hex !== undefined) return String.fromCodePoint(parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8));
      if (other !== undefined && 'xuUN'.includes(other))
        throw new TemplateError(`${whole} is not an escape that is read`);
      return ESCAPES[other as string] ?? whole;
    },
  );
}
