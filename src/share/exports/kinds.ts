/** A run for other programs, as the page offers it: one file a kind. */

export const EXPORT_KINDS = ['peft', 'script', 'page'] as const;
export type ExportKind = (typeof EXPORT_KINDS)[number];

/** Name of the site's file that holds the template of a page of one run. */
export const PAGE_TEMPLATE = 'replay-page.txt';

/** Marks in the template. */
export const PAGE_MARKS = { title: '<!--title-->', run: '<!--run-->' } as const;
