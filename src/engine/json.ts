/**
 * JSON as Python's json module reads and writes it (https://docs.python.org/3/library/json.html): NaN, Infinity and -Infinity stand
 * for numbers there. Faults are reported by line and column. For small files: settings, not weights.
 */
import { ConfigError } from './errors';
import { aboveLimit, MODEL_LIMITS } from './limits';

/** A file of JSON, and where in it things stand. */
export interface JsonFile {
  value: unknown;
  /** Line (from 1) of every key of the outermost object. */
  lines: ReadonlyMap<string, number>;
  /** Numbers that are not finite: NaN, ±Infinity, and what is larger than any double. */
  nonFinite: readonly NonFinite[];
}

/** A number that is not finite. */
export interface NonFinite {
  /** Keys and indices that lead to it, the outermost first. */
  path: readonly string[];
  /** As it is written. */
  text: string;
  line: number;
}

/**
 * Parses UTF-8 JSON.
 *
 * @param file its name, for messages
 * @throws ConfigError that says what the file holds instead, or the line and column of the first fault
 */
export function readJson(bytes: Uint8Array, file: string): JsonFile {
  const problem = aboveLimit(bytes.length, MODEL_LIMITS.jsonBytes);
  if (problem !== null) throw new ConfigError(file, problem);
  const text = decode(bytes, file);
  const parser = new Parser(text, file);
  const value = parser.whole();
  return { value, lines: parser.lines, nonFinite: parser.nonFinite };
}

/** JSON in lines, with NaN and ±Infinity as Python writes them: what `readJson` reads of it is the value again. */
export function writeJson(value: unknown): string {
  // No text of a file has these two control characters side by side unescaped; escaped they are found again.
  const mark = (_: string, inner: unknown) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? `\u0001\u0002${inner}` : inner;
  return JSON.stringify(value, mark, 2).replace(/"\\u0001\\u0002(NaN|-?Infinity)"/g, '$1') + '\n';
}

/** An object of JSON. @throws ConfigError that says what it is instead */
export function jsonObject(value: unknown, file: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  const found = Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`;
  throw new ConfigError(file, `is not a JSON object: it holds ${found}. Choose the file that belongs here`);
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError(file, 'is not JSON: it is not UTF-8 text. Get the file again', { cause });
  }
}

/** What a file that is no JSON looks like; null when nothing is recognised. */
function looksLike(text: string): string | null {
  const start = text.trimStart();
  if (start === '') return 'it is empty. Get the file again';
  if (start.startsWith('version https://git-lfs')) {
    return 'it is a pointer of Git LFS. Get the file that it points to (git lfs pull)';
  }
  if (start.startsWith('<')) return 'it holds a web page or XML. Get the file again from where it is kept';
  const rows = start.slice(0, 4096).split('\n', 3);
  const cells = rows.map((row) => row.split(/[,;\t]/).length);
  if (!/^[[{]/.test(start) && cells.length > 1 && cells[0]! > 1 && cells[0] === cells[1]) {
    return 'it holds a table (CSV). Choose the file that belongs here';
  }
  return null;
}

class Parser {
  readonly lines = new Map<string, number>();
  readonly nonFinite: NonFinite[] = [];
  readonly #path: string[] = [];
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly file: string,
  ) {}

  whole(): unknown {
    const value = this.#value();
    this.#space();
    if (this.#at < this.text.length) {
      const next = this.text[this.#at] as string;
      this.#fail(`after the end of the value there is ${JSON.stringify(next)}; one value is expected, not several`);
    }
    return value;
  }

  #value(): unknown {
    this.#space();
    const next = this.text[this.#at];
    if (next === undefined) this.#fail('the text ends early; the file may be cut off');
    if (next === '{') return this.#inside(() => this.#object());
    if (next === '[') return this.#inside(() => this.#list());
    if (next === '"') return this.#string();
    return this.#word();
  }

  #inside<T>(read: () => T): T {
    const problem = aboveLimit(this.#path.length + 1, MODEL_LIMITS.jsonDepth);
    if (problem !== null) this.#fail(problem);
    this.#at++;
    return read();
  }

  #object(): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    const seen = new Set<string>();
    if (this.#takes('}')) return {};
    do {
      this.#space();
      if (this.text[this.#at] !== '"') this.#fail('a key in double quotes is expected');
      const line = this.#line();
      const key = this.#string();
      if (seen.has(key)) this.#fail(`the key ${JSON.stringify(key)} stands there twice; remove one`);
      seen.add(key);
      if (this.#path.length === 0) this.lines.set(key, line);
      if (!this.#takes(':')) this.#fail('":" is expected');
      this.#path.push(key);
      entries.push([key, this.#value()]);
      this.#path.pop();
    } while (this.#takes(','));
    if (!this.#takes('}')) this.#fail('"," or "}" is expected');
    // Unlike an assignment, this makes a property even of "__proto__".
    return Object.fromEntries(entries);
  }

  #list(): unknown[] {
    const values: unknown[] = [];
    if (this.#takes(']')) return values;
    do {
      this.#path.push(String(values.length));
      values.push(this.#value());
      this.#path.pop();
    } while (this.#takes(','));
    if (!this.#takes(']')) this.#fail('"," or "]" is expected');
    return values;
  }

  #string(): string {
    let end = this.#at + 1;
    while (end < this.text.length && this.text[end] !== '"') end += this.text[end] === '\\' ? 2 : 1;
    if (end >= this.text.length) this.#fail('this text has no closing quote');
    const found = this.text.slice(this.#at, end + 1);
    try {
      const value = JSON.parse(found) as string;
      this.#at += found.length;
      return value;
    } catch {
      return this.#fail('this text has a line break, a control character or an unknown escape in it');
    }
  }

  /** A number, true, false, null, and Python's NaN and Infinity. */
  #word(): unknown {
    const end = /[-+.\w]+/y;
    end.lastIndex = this.#at;
    const found = end.exec(this.text)?.[0] ?? (this.text[this.#at] as string);
    const value = this.#wordValue(found);
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.nonFinite.push({ path: [...this.#path], text: found, line: this.#line() });
    }
    this.#at += found.length;
    return value;
  }

  #wordValue(word: string): unknown {
    if (word === 'NaN') return NaN;
    if (word === 'Infinity') return Infinity;
    if (word === '-Infinity') return -Infinity;
    try {
      return JSON.parse(word);
    } catch {
      return this.#fail(`${JSON.stringify(word.slice(0, 40))} is no value`);
    }
  }

  #space(): void {
    const space = /[ \t\r\n]*/y;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.text)?.[0].length ?? 0;
  }

  #takes(sign: string): boolean {
    this.#space();
    if (this.text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  #counted = { at: 0, line: 1 };

  /** Counts on from where it counted last: every position is passed once. */
  #line(): number {
    for (let at = this.#counted.at; at < this.#at; at++) if (this.text[at] === '\n') this.#counted.line++;
    this.#counted.at = this.#at;
    return this.#counted.line;
  }

  #fail(what: string): never {
    const kind = looksLike(this.text);
    if (kind !== null) throw new ConfigError(this.file, `is not JSON: ${kind}`);
    const column = this.#at - this.text.lastIndexOf('\n', this.#at - 1);
    throw new ConfigError(this.file, `is not JSON: line ${this.#line()}, column ${column}: ${what}`);
  }
}
