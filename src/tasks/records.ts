/** Records of a file: JSON lines, a JSON list of objects, or a CSV with a header. The contents say which, not the name. */
import { checkLimit, PROBLEM_LIMITS } from '../engine/limits';
import { duplicateKey } from '../engine/duplicateKeys';
import { readCsv } from './csv';
import { ProblemFileError } from './errors';
import { splitJsonList } from './jsonList';
import { clipped, textLines } from './textLines';

export interface FileRecord {
  /** Where it begins, from 1. */
  line: number;
  /** A CSV's cells are texts. */
  fields: Readonly<Record<string, unknown>>;
}

/** What a reader expects, for finding out the format and for messages. */
export interface RecordForm {
  /** The column by which a CSV's header is known; every record has it. */
  column: string;
  /** A record in words: `{"question", "answer"} …`. */
  line: string;
}

/**
 * Every record of a file, in order. Blank lines are skipped.
 * @throws ProblemFileError naming the line of what is not UTF-8, no JSON, no object, or no cell of a CSV, and what to do
 */
export function readRecords(file: string, bytes: Uint8Array, form: RecordForm): FileRecord[] {
  const lines = textLines(file, bytes, true);
  const first = lines.findIndex((line) => line.trim() !== '');
  if (first < 0) return [];
  const start = (lines[first] as string).trim();
  refuseWrapped(file, lines, first, form);
  if (start.startsWith('[')) return readList(file, lines, form);
  if (!start.startsWith('{') && isCsv(file, lines, first, form)) return readTable(file, lines, form);
  return lines.flatMap((line, index) =>
    line.trim() === '' ? [] : [{ line: index + 1, fields: readObject(file, index + 1, line, form, lines) }],
  );
}

/** A list within an object, as exports have it: no record, and not to be taken for one. @throws ProblemFileError */
function refuseWrapped(file: string, lines: string[], first: number, { column }: RecordForm): void {
  const key = /^\s*\{\s*"([^"\\]{1,40})"\s*:\s*\[\s*\{/.exec(
    lines
      .slice(first, first + 8)
      .join('\n')
      .slice(0, 4096),
  )?.[1];
  if (key === undefined) return;
  // A record whose first field is a list of objects.
  const line = lines[first] as string;
  if (isWhole(line) && column in (JSON.parse(line) as object)) return;
  throw new ProblemFileError(
    file,
    first + 1,
    `holds its problems in a list under "${key}"; give the list itself, [ … ], or one object a line`,
  );
}

function readList(file: string, lines: string[], form: RecordForm): FileRecord[] {
  return splitJsonList(file, lines.join('\n')).map(({ line, text }) => ({
    line,
    fields: readObject(file, line, text, form),
  }));
}

/** @param lines of the file, to tell an object over several of them from something else */
function readObject(
  file: string,
  line: number,
  text: string,
  form: RecordForm,
  lines?: string[],
): Record<string, unknown> {
  checkLength(file, line, text.length);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProblemFileError(file, line, notJson(text, cause as Error, form, lines), { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProblemFileError(file, line, `is not a JSON object; a line is ${form.line}`);
  }
  const twice = duplicateKey(text);
  if (twice !== null)
    throw new ProblemFileError(file, line, `has the key ${JSON.stringify(clipped(twice, 40))} twice; keep one of them`);
  if (hasHalfCharacter(text))
    throw new ProblemFileError(
      file,
      line,
      'has half a character (a lone \\ud800 to \\udfff); write the whole one or leave it out',
    );
  return value as Record<string, unknown>;
}

/** Is there a text with half of a surrogate pair? It has no UTF-8, so a tokenizer would read another character. */
function hasHalfCharacter(text: string): boolean {
  if (!/\\u[dD][89a-fA-F]/.test(text)) return false;
  let found = false;
  JSON.parse(text, (_, value: unknown) => {
    if (typeof value === 'string' && /\p{Surrogate}/u.test(value)) found = true;
    return value;
  });
  return found;
}

function checkLength(file: string, line: number, length: number): void {
  checkLimit(length, PROBLEM_LIMITS.recordLength, (problem) => new ProblemFileError(file, line, problem));
}

function notJson(text: string, cause: Error, form: RecordForm, lines?: string[]): string {
  const outside = text.replace(/"(?:[^"\\]|\\.)*"?/g, '""');
  const word = /-?\b(?:NaN|Infinity|None|True|False)\b/.exec(outside)?.[0];
  if (word !== undefined) return `is not JSON: JSON has no ${word}; write null, true, false, a number or text`;
  if (/[{,]\s*'/.test(outside)) return 'is not JSON: texts and keys stand in double quotes, not single ones';
  if (!text.trim().startsWith('{')) {
    return (
      `is not JSON (it begins with ${JSON.stringify(clipped(text.trim(), 20))}); give one JSON object a line, ${form.line}, ` +
      `a JSON list of such objects, or a CSV whose first line names its columns, "${form.column}" among them`
    );
  }
  if (lines && isWhole(lines.join('\n')))
    return `is not JSON: one object takes several lines; write it in one line, or give a list [ … ] of ${form.line}`;
  return `is not JSON (${clipped(cause.message, 160)})`;
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Is the first line a CSV's header? @throws ProblemFileError where it nearly is, with what to change */
function isCsv(file: string, lines: string[], first: number, { column }: RecordForm): boolean {
  const line = lines[first] as string;
  const named = /\.(csv|tsv)$/i.test(file);
  const names = line.split(',').map(bareName);
  if (names.includes(column)) return true;
  const alike = names.find((name) => name.toLowerCase() === column);
  if (alike !== undefined) {
    throw new ProblemFileError(file, first + 1, `names the column "${alike}"; write "${column}" in small letters`);
  }
  const separator = [';', '\t'].find((mark) => line.split(mark).map(bareName).includes(column));
  if (separator !== undefined) {
    const what = separator === '\t' ? 'tabs' : 'semicolons';
    throw new ProblemFileError(file, first + 1, `separates its columns by ${what}; save the file with commas`);
  }
  if (named) {
    throw new ProblemFileError(
      file,
      first + 1,
      `is no header with the column "${column}" (it begins with ${JSON.stringify(clipped(line.trim(), 40))}); the first line of a CSV names its columns`,
    );
  }
  return false;
}

const bareName = (cell: string): string =>
  cell
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .trim();

function readTable(file: string, lines: string[], form: RecordForm): FileRecord[] {
  const [header, ...rows] = readCsv(file, lines.join('\n'));
  if (header === undefined) return [];
  const names = header.cells.map((cell) => cell.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new ProblemFileError(file, header.line, `has two columns named "${twice}"`);
  if (!names.includes(form.column)) throw new ProblemFileError(file, header.line, `has no column "${form.column}"`);
  return rows.map(({ line, cells }) => {
    checkLength(
      file,
      line,
      cells.reduce((sum, cell) => sum + cell.length, 0),
    );
    if (cells.length !== names.length) {
      throw new ProblemFileError(
        file,
        line,
        `has ${cells.length} cells, the header ${names.length}; a cell with a comma stands in double quotes`,
      );
    }
    return { line, fields: withChoices(Object.fromEntries(names.map((name, index) => [name, cells[index]]))) };
  });
}

/** Columns A, B, C … are the choices of a question, as public tables of multiple choice have them; those that are empty at the end are none. */
function withChoices(fields: Record<string, unknown>): Record<string, unknown> {
  if (!('A' in fields) || !('B' in fields) || 'choices' in fields) return fields;
  const choices: string[] = [];
  for (const letter of 'ABCDEFGHIJ') {
    if (letter in fields) choices.push(fields[letter] as string);
  }
  while (choices.at(-1)?.trim() === '') choices.pop();
  return { ...fields, choices };
}
