/** One run in one self-contained page: a template that draws, and the log in it, deflated. */
import { deflateSync, strFromU8, strToU8 } from 'fflate';
import type { RunEvent } from '../../events';
import { LogReader } from '../../log/read';
import { readableEvents } from '../../store/readBack';
import { ExportError } from '../errors';
import { inflateBounded } from '../inflate';
import { PAGE_MARKS } from './kinds';

/** Id of the element that holds the run. */
export const RUN_ELEMENT = 'run';

/** Bytes of a page: mail and course pages take no more. */
export const LARGEST_PAGE = 25_000_000;

/** Bytes of the log in it, inflated. */
const LARGEST_LOG = 2 ** 29;

/** What a page shows. */
export interface PageRun {
  name: string;
  /** Address or fragment that repeats it; null where no link holds it. */
  link: string | null;
  events: readonly RunEvent[];
}

/**
 * The page of a run.
 * @param template of `tools/build/replayPage.ts`
 * @throws ExportError where it would be too large
 */
export function replayPage(template: string, { name, link, events }: PageRun): string {
  const lines = [JSON.stringify({ version: 1, name, link }), ...events.map((event) => JSON.stringify(event))];
  const packed = base64(deflateSync(strToU8(lines.join('\n')), { level: 9 }));
  // Replacements are functions: a "$" in a text has no meaning.
  const page = template
    .replace(PAGE_MARKS.title, () => escaped(name))
    .replace(PAGE_MARKS.run, () => `<script type="application/octet-stream" id="${RUN_ELEMENT}">${packed}</script>`);
  if (page.length <= LARGEST_PAGE) return page;
  throw new ExportError(
    `The page would have ${(page.length / 1e6).toFixed(1)} MB, and ${LARGEST_PAGE / 1e6} MB are the most. Share the bundle instead`,
  );
}

/**
 * The run of a page.
 * @param packed text of its element
 * @throws ExportError for what is no run of this version
 */
export function runInPage(packed: string): PageRun {
  const bytes = inflateBounded(unpacked(packed.trim()), LARGEST_LOG);
  const [head = '', ...lines] = bytes ? strFromU8(bytes).split('\n') : [];
  const { events, damage } = readableEvents(lines, new LogReader());
  if (damage !== null || events[0]?.type !== 'run-started')
    throw new ExportError(`This page holds no run that can be read${damage === null ? '' : `: ${damage}`}.`);
  const { name, link } = JSON.parse(head) as { name: string; link: string | null };
  return { name, link, events };
}

/** Text within an element. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  return btoa(text);
}

function unpacked(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
