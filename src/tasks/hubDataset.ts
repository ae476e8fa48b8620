/**
 * Problems from datasets on the Hugging Face hub, through the dataset viewer's JSON interface
 * (https://huggingface.co/docs/dataset-viewer/rows): pages of at most 100 rows. Rows become lines of a JSONL file in the layout of
 * the importers, so there is one reader, and a run finds the same bytes again.
 */
import { aboveLimit, checkLimit, HUB_LIMITS, PROBLEM_LIMITS } from '../engine/limits';
import { readBody } from '../models/body';
import { Pacer, retryAfterMs, systemClock, Transient, withinTime, type RetryOptions } from '../models/retry';
import { HubDatasetError, type HubDatasetProblem } from './errors';
import { MMLU_SUBJECTS } from './mmluSubjects';

export const DATASET_VIEWER = 'https://datasets-server.huggingface.co';

/** Rows that the interface gives at once. */
export const PAGE_ROWS = 100;
/** An answer that takes longer is given up and asked for again. */
const ANSWER_MS = 60_000;

/** A dataset that a task can read. */
export interface HubDataset {
  /** owner/name */
  id: string;
  title: string;
  task: string;
  /** What the hub calls configurations; the first is the usual one. */
  configs: readonly string[];
  /** With answers; the first is the usual one. */
  splits: readonly string[];
  /** Fields of a row that the importer reads. */
  fields: readonly string[];
}

export const HUB_DATASETS: readonly HubDataset[] = [
  {
    id: 'openai/gsm8k',
    title: 'GSM8K: school problems in words',
    task: 'gsm8k',
    configs: ['main'],
    splits: ['test', 'train'],
    fields: ['question', 'answer'],
  },
  {
    id: 'cais/mmlu',
    title: 'MMLU: questions of 57 subjects',
    task: 'multiple-choice',
    configs: [...MMLU_SUBJECTS, 'all'],
    splits: ['test', 'validation'],
    fields: ['question', 'subject', 'choices', 'answer'],
  },
  {
    id: 'tau/commonsense_qa',
    title: 'CommonsenseQA: everyday knowledge',
    task: 'multiple-choice',
    configs: ['default'],
    // The test split has no answers.
    splits: ['validation', 'train'],
    fields: ['question', 'choices', 'answerKey'],
  },
];

export interface HubRowsChoice {
  dataset: HubDataset;
  config: string;
  split: string;
  /** Rows to load at most, from the first; null = all. */
  most: number | null;
}

export interface HubRowsOptions extends RetryOptions {
  endpoint?: string;
  fetch?: typeof fetch;
  signal?: AbortSignal;
  /** Rows that are there, and rows that will be. */
  onProgress?: (done: number, total: number) => void;
}

/** A JSONL file made of rows. */
export interface HubFile {
  name: string;
  bytes: Uint8Array;
  /** Rows in the file. */
  rows: number;
  /** Rows in the split. */
  total: number;
}

/**
 * Loads rows, page by page, and writes them as the importer's lines. Requests that fail in passing are made again, with pauses
 * and as the server asks for them.
 * @throws HubDatasetError; the signal's reason when it aborts
 */
export async function loadHubRows(choice: HubRowsChoice, options: HubRowsOptions = {}): Promise<HubFile> {
  const { dataset, config, split, most } = choice;
  const { signal, onProgress } = options;
  const pacer = new Pacer(options);
  const lines: string[] = [];
  let total: number | null = null;
  let size = 0;
  const unreadable = (what: string) => new HubDatasetError(nameOf(choice), 'unreadable', what);
  const wanted = () => Math.min(most ?? Infinity, total ?? Infinity);
  // Ends: a page has exactly the rows that were asked for, at least one, and how many there are in all stays.
  do {
    const offset = lines.length;
    const length = Math.min(PAGE_ROWS, wanted() - offset);
    const page = await pacer.run(() => readPage(choice, options, offset, length, total), signal);
    total = page.total;
    const tooMany = (problem: string) => unreadable(`it is too large: ${problem}.`);
    checkLimit(wanted(), PROBLEM_LIMITS.problems, tooMany);
    for (const row of page.rows) {
      const line = JSON.stringify(picked(row, dataset.fields));
      size += line.length + 1;
      checkLimit(size, PROBLEM_LIMITS.fileBytes, tooMany);
      lines.push(line);
    }
    onProgress?.(lines.length, wanted());
  } while (lines.length < wanted());
  const part = lines.length < total ? `-first-${lines.length}` : '';
  return {
    name: `${dataset.id.split('/').at(-1)}-${config}-${split}${part}.jsonl`,
    bytes: new TextEncoder().encode(lines.map((line) => `${line}\n`).join('')),
    rows: lines.length,
    total,
  };
}

function nameOf({ dataset, config, split }: HubRowsChoice): string {
  return `${dataset.id} (${config}, ${split})`;
}

interface Page {
  rows: Record<string, unknown>[];
  total: number;
}

async function readPage(
  choice: HubRowsChoice,
  options: HubRowsOptions,
  offset: number,
  length: number,
  knownTotal: number | null,
): Promise<Page> {
  const { dataset, config, split } = choice;
  const name = nameOf(choice);
  const fail = (problem: HubDatasetProblem, what: string, cause?: unknown) =>
    new HubDatasetError(name, problem, what, cause === undefined ? undefined : { cause });
  const endpoint = (options.endpoint ?? DATASET_VIEWER).replace(/\/+$/, '');
  const query = new URLSearchParams({
    dataset: dataset.id,
    config,
    split,
    offset: String(offset),
    length: String(length),
  });
  const offline = (cause: unknown) =>
    fail('offline', `${new URL(endpoint).host} cannot be reached, or breaks off.`, cause);
  const { max } = HUB_LIMITS.pageBytes;
  const tooLong = () => fail('unreadable', `it is too large: ${aboveLimit(max + 1, HUB_LIMITS.pageBytes)}.`);
  const { status, headers, text } = await ask(`${endpoint}/rows?${query}`, options, offline, tooLong);
  if (status === 429) {
    throw new Transient(fail('limited', 'the hub limits requests from this address.'), retryAfterMs(headers), true);
  }
  const said = errorOf(text);
  // The viewer answers 500 as well while it is still preparing a dataset.
  if (status >= 500 || status === 408) {
    throw new Transient(fail('failing', `the hub answers HTTP ${status}${said}, several times in a row.`));
  }
  if (status === 401 || status === 403 || status === 404) {
    throw fail('missing', `the hub does not show it: it is missing, renamed or not open to everyone${said}.`);
  }
  if (status !== 200) throw fail('unreadable', `the hub answers HTTP ${status}${said}.`);
  const wrong = (what: string) => new Transient(fail('unreadable', `${what}, several times in a row.`));
  return checkedPage(text, { offset, length, knownTotal }, fail, wrong);
}

/** A whole answer. @throws Transient when there is none; the signal's reason when it aborts */
async function ask(
  url: string,
  options: HubRowsOptions,
  offline: (cause: unknown) => HubDatasetError,
  tooLong: () => HubDatasetError,
): Promise<{ status: number; headers: Headers; text: string }> {
  const clock = options.clock ?? systemClock;
  const late = () => offline(new Error(`no answer within ${ANSWER_MS / 1000} s`));
  return withinTime(ANSWER_MS, clock, options.signal, late, async (signal) => {
    try {
      const response = await (options.fetch ?? fetch)(url, {
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        signal,
      });
      const bytes = await readBody(response.body, HUB_LIMITS.pageBytes.max, tooLong);
      return { status: response.status, headers: response.headers, text: new TextDecoder().decode(bytes) };
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof HubDatasetError) throw cause;
      throw new Transient(offline(cause));
    }
  });
}

/** Rows of a page, exactly those that were asked for. */
function checkedPage(
  text: string,
  asked: { offset: number; length: number; knownTotal: number | null },
  fail: (problem: HubDatasetProblem, what: string, cause?: unknown) => HubDatasetError,
  wrong: (what: string) => Transient,
): Page {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw wrong('the answer is not JSON');
  }
  const { rows, num_rows_total: total, partial } = (answer ?? {}) as Record<string, unknown>;
  if (!Array.isArray(rows) || !Number.isSafeInteger(total))
    throw wrong('the answer holds no rows or no number of rows');
  if (partial === true) throw fail('unreadable', 'the hub shows only a part of it: it is too large for its viewer.');
  if (total === 0) throw fail('unreadable', 'it holds no rows.');
  const { offset, length, knownTotal } = asked;
  if (knownTotal !== null && total !== knownTotal) {
    throw fail('unreadable', `it changed while it was loaded (${knownTotal} rows, now ${total as number}).`);
  }
  const expected = Math.min(length, (total as number) - offset);
  if (rows.length !== expected) throw wrong(`${rows.length} rows came from row ${offset} on, ${expected} were due`);
  const read = rows.map((entry: unknown, index) => {
    const { row, row_idx: place, truncated_cells: cut } = (entry ?? {}) as Record<string, unknown>;
    if (place !== offset + index) throw wrong(`row ${offset + index} is not in its place`);
    if (Array.isArray(cut) && cut.length > 0) throw fail('unreadable', `row ${offset + index} came cut off.`);
    if (typeof row !== 'object' || row === null) throw wrong(`row ${offset + index} is no record`);
    return row as Record<string, unknown>;
  });
  return { rows: read, total: total as number };
}

/** The importer's fields only, in a fixed order: what the viewer adds later changes no hash. */
function picked(row: Record<string, unknown>, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(fields.filter((field) => row[field] !== undefined).map((field) => [field, row[field]]));
}

/** What an error answer says, as an addition to a sentence; '' when it says nothing. */
function errorOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? ` (“${error.slice(0, 160).replace(/[.\s]+$/, '')}”)` : '';
  } catch {
    return '';
  }
}
