/** Tables of numbers behind plots, and their files. */

export interface DataTable {
  columns: string[];
  rows: (string | number | null)[][];
}

/**
 * RFC 4180: CRLF, quotes doubled. Text that a spreadsheet would run as a formula (= + - @, tab, return at its start) gets a
 * leading apostrophe; numbers stay numbers. null and NaN are empty.
 */
export function toCsv({ columns, rows }: DataTable): string {
  return [columns, ...rows].map((row) => row.map(csvCell).join(',') + '\r\n').join('');
}

function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** One object a row, keyed by column. NaN and infinities become null, as JSON has none. */
export function toRecords({ columns, rows }: DataTable): Record<string, string | number | null>[] {
  return rows.map((row) =>
    Object.fromEntries(
      columns.map((column, i) => {
        const value = row[i] ?? null;
        return [column, typeof value === 'number' && !Number.isFinite(value) ? null : value];
      }),
    ),
  );
}
