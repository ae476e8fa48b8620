/** Files and data sets of problems: just within their bounds, and just above. */
import { describe, expect, it } from 'vitest';
import { HUB_LIMITS, PROBLEM_LIMITS } from '../../src/engine/limits';
import type { Clock } from '../../src/models/retry';
import { jsonl } from '../../src/tasks/jsonl';
import { HubDatasetError, ProblemFileError } from '../../src/tasks/errors';
import { HUB_DATASETS, loadHubRows, type HubDataset } from '../../src/tasks/hubDataset';
import { importProblems } from '../../src/tasks/importer';

const text = (lines: string) => new TextEncoder().encode(lines);
const read = (bytes: Uint8Array) => importProblems({ ...jsonl, readProblem: plain }, 'own.jsonl', bytes);
/** A reader that costs nothing: what is bounded here is the file. */
const plain = ({ question }: Readonly<Record<string, unknown>>) => ({ question: String(question), gold: '1' });

describe('a file of problems', () => {
  it('has so many bytes and no more', () => {
    const { max } = PROBLEM_LIMITS.fileBytes;
    expect(() => read(new Uint8Array(max + 1))).toThrow(/own\.jsonl: 67,108,865 bytes in a file of problems are above/);
    // Within the bound it is read, and found to be too long for one problem.
    expect(() => read(new Uint8Array(max).fill(0x7b))).toThrow(
      /line 1: 67,108,864 characters in one problem are above/,
    );
  });

  it('has so many lines and no more, blank ones too', () => {
    const { max } = PROBLEM_LIMITS.lines;
    expect(() => read(new Uint8Array(max).fill(0x0a))).toThrow(/holds no problems/);
    expect(() => read(new Uint8Array(max + 1).fill(0x0a))).toThrow(
      /own\.jsonl: 1,000,001 lines in a file of problems are above the limit of 1,000,000; split the file/,
    );
    const list = (count: number) => text(`[${'1,'.repeat(count - 1)}1]`);
    expect(() => read(list(max))).toThrow(/line 1: is not a JSON object/);
    expect(() => read(list(max + 1))).toThrow(/1,000,001 lines in a file of problems are above/);
  });

  it('has problems of so many characters and no more, as lines, in a list and in a table', () => {
    const { max } = PROBLEM_LIMITS.recordLength;
    const line = (length: number) => `{"question":"${'x'.repeat(length - 15)}"}`;
    const forms: ((length: number) => string)[] = [
      (length) => `${line(20)}\n${line(length)}`,
      (length) => `[${line(20)},\n${line(length)}]`,
      (length) => `question,answer\n${'x'.repeat(length - 1)},1`,
    ];
    for (const form of forms) {
      expect(read(text(form(max))).problems.length).toBeGreaterThan(0);
      expect(() => read(text(form(max + 1)))).toThrow(ProblemFileError);
      expect(() => read(text(form(max + 1)))).toThrow(/line 2: 1,048,577 characters in one problem are above/);
    }
  });

  it('with one string of a length that no pattern matches is refused as too long', () => {
    const long = `{"question":"${'x'.repeat(3e7)}"}`;
    for (const form of [long, `[${long}]`, `question\n"${'x'.repeat(3e7)}"`]) {
      expect(() => read(text(form))).toThrow(/characters in one problem are above/);
    }
  });

  it('has so many columns and no more', () => {
    const { max } = PROBLEM_LIMITS.columns;
    const table = (columns: number) =>
      text(`question${Array.from({ length: columns - 1 }, (_, i) => `,c${i}`).join('')}\n`);
    expect(() => read(table(max))).toThrow(/holds no problems/);
    expect(() => read(table(max + 1))).toThrow(/line 1: 1,025 columns in a CSV are above the limit of 1,024/);
    expect(() => read(text(`question\n${','.repeat(5e6)}`))).toThrow(/line 2: 1,025 columns in a CSV are above/);
  });

  it('has so many problems and no more', () => {
    const { max } = PROBLEM_LIMITS.problems;
    const lines = Array.from({ length: max }, (_, i) => `{"question":"${i}"}\n`).join('');
    expect(read(text(lines)).problems.length).toBe(max);
    expect(() => read(text(`${lines}{"question":"one more"}`))).toThrow(/line 100001: 100,001 problems are above/);
  });
});

/** A data set's server that tells its number of rows, and gives rows of so many bytes. */
function viewer(total: number, rowBytes = 20, body?: ReadableStream<Uint8Array>): typeof fetch {
  return async (url) => {
    const { searchParams } = new URL(String(url));
    const [offset, length] = ['offset', 'length'].map((name) => Number(searchParams.get(name))) as [number, number];
    const rows = Array.from({ length: Math.min(length, total - offset) }, (_, i) => ({
      row_idx: offset + i,
      row: { question: 'x'.repeat(rowBytes), answer: '#### 1' },
      truncated_cells: [],
    }));
    return new Response(body ?? JSON.stringify({ rows, num_rows_total: total, partial: false }));
  };
}

/** Waits pass at once. */
const clock: Clock = {
  now: () => 0,
  sleep: (_ms, signal) =>
    signal ? new Promise((_, reject) => signal.addEventListener('abort', reject)) : Promise.resolve(),
};

const load = (fetch: typeof globalThis.fetch, most: number | null, onProgress?: (done: number) => void) => {
  const dataset = HUB_DATASETS[0] as HubDataset;
  return loadHubRows(
    { dataset, config: 'main', split: 'test', most },
    { fetch, clock, random: () => 0, attempts: 1, onProgress },
  );
};

describe('a data set of the hub', () => {
  it('gives so many rows and no more', async () => {
    const { max } = PROBLEM_LIMITS.problems;
    expect((await load(viewer(max), null)).rows).toBe(max);
    const above = load(viewer(max + 1), null);
    await expect(above).rejects.toThrow(HubDatasetError);
    await expect(above).rejects.toThrow(/too large: 100,001 problems are above the limit of 100,000/);
    // Of a larger one a part can be had.
    expect((await load(viewer(Number.MAX_SAFE_INTEGER), 120)).rows).toBe(120);
  });

  it('fits in a file of problems', async () => {
    const rowBytes = 320_000;
    const fit = Math.floor(PROBLEM_LIMITS.fileBytes.max / (rowBytes + 35));
    const pages: number[] = [];
    const asked = load(viewer(1000, rowBytes), fit + 1, (done) => pages.push(done));
    await expect(asked).rejects.toThrow(/bytes in a file of problems are above/);
    expect(pages).toEqual([100, 200]);
  });

  it('comes in pages of so many bytes and no more', async () => {
    const { max } = HUB_LIMITS.pageBytes;
    const body = (bytes: number) => {
      let sent = 0;
      const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
        if (sent >= bytes) return controller.close();
        controller.enqueue(new Uint8Array(Math.min(1 << 16, bytes - sent)).fill(0x20));
        sent += 1 << 16;
      };
      return { stream: new ReadableStream<Uint8Array>({ pull }), sent: () => sent };
    };
    await expect(load(viewer(1, 20, body(max).stream), 1)).rejects.toThrow(/is not JSON/);
    const endless = body(Infinity);
    await expect(load(viewer(1, 20, endless.stream), 1)).rejects.toThrow(
      /33,554,433 bytes of a page of rows are above/,
    );
    expect(endless.sent()).toBeLessThan(max + 1_000_000);
  });

  it.each([-5, -1, 0, 0.5])('of %d rows is refused', async (total) => {
    await expect(load(viewer(total), null)).rejects.toThrow(HubDatasetError);
  });
});
