/** Comma-separated values as RFC 4180 defines them, read strictly: what is doubtful is refused with its line. */
import { checkLimit, PROBLEM_LIMITS } from '../engine/limits';
import { ProblemFileError } from './errors';

export interface CsvRow {
  /** Where it begins, from 1. */
  line: number;
  cells: string[];
}

/**
 * Rows of a CSV text. A cell may stand in double quotes and then hold commas, line breaks and doubled quotes. Lines with nothing in them
 * are skipped. It ends: every turn goes behind a cell or a line break.
 * @throws ProblemFileError naming the line of a quote that is not closed, stands inside a cell, or has text behind it
 */
export function readCsv(file: string, text: string): CsvRow[] {
  const rows: CsvRow[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const row: CsvRow = { line, cells: [] };
    let more = true;
    while (more) {
      const cell = text[at] === '"' ? quoted(file, text, at, line) : bare(file, text, at, line);
      row.cells.push(cell.value);
      const tooMany = (problem: string) => new ProblemFileError(file, row.line, problem);
      checkLimit(row.cells.length, PROBLEM_LIMITS.columns, tooMany);
      line += cell.breaks;
      at = cell.end;
      more = text[at] === ',';
      if (more) at++;
    }
    // Behind a cell stands a comma, a line break or nothing.
    if (text[at] === '\r') at++;
    if (at < text.length) line++;
    at++;
    if (row.cells.length > 1 || row.cells[0]?.trim() !== '') rows.push(row);
  }
  return rows;
}

interface Cell {
  value: string;
  /** Index of what follows the cell. */
  end: number;
  /** Line breaks inside it. */
  breaks: number;
}

function bare(file: string, text: string, from: number, line: number): Cell {
  const rest = /[",\n]|\r(?=\n|$)/g;
  rest.lastIndex = from;
  const stop = rest.exec(text);
  const end = stop?.index ?? text.length;
  if (stop?.[0] === '"') {
    throw new ProblemFileError(
      file,
      line,
      'has a double quote inside a cell; put the cell in quotes and double those in it',
    );
  }
  return { value: text.slice(from, end), end, breaks: 0 };
}

function quoted(file: string, text: string, from: number, line: number): Cell {
  let value = '';
  for (let at = from + 1; ;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw new ProblemFileError(file, line, 'has a cell whose double quote is never closed');
    value += text.slice(at, quote);
    at = quote + 1;
    if (text[at] === '"') {
      value += '"';
      at++;
      continue;
    }
    if (!/^(?:,|\r?\n|\r?$)/.test(text.slice(at, at + 2))) {
      throw new ProblemFileError(
        file,
        line,
        'has text behind the closing quote of a cell; double the quotes inside it',
      );
    }
    return { value, end: at, breaks: value.split('\n').length - 1 };
  }
}
