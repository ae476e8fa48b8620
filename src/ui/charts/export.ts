/** Saving a chart: picture as SVG or PNG, numbers as CSV or JSON. Everything is made in the page; nothing is fetched. */
import { download } from '../download';
import { fileName } from '../../share/exports/names';
import { NOTE_NAME, noteText, pngWithNote, type PictureNote } from '../../share/exports/picture';
import { toCsv, toRecords, type DataTable } from '../../share/exports/table';

export function exportCsv(title: string, table: DataTable): void {
  download(fileName(title, 'csv'), toCsv(table), 'text/csv');
}

export function exportJson(title: string, table: DataTable): void {
  download(
    fileName(title, 'json'),
    JSON.stringify({ title, rows: toRecords(table) }, null, 2) + '\n',
    'application/json',
  );
}

/** A picture that is saved: what is drawn, and what its file says of it. */
export interface Picture {
  /** Of the file. */
  name: string;
  svg: SVGSVGElement;
  legend: readonly LegendEntry[];
  note: PictureNote;
}

export function exportSvg(picture: Picture): void {
  download(fileName(picture.name, 'svg'), svgDocument(picture), 'image/svg+xml');
}

/** @param scale pixels of the file per pixel of the page. */
export async function exportPng(picture: Picture, scale = 2): Promise<void> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgDocument(picture))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width * scale;
  canvas.height = image.height * scale;
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!blob) return;
  const noted = pngWithNote(new Uint8Array(await blob.arrayBuffer()), picture.note);
  download(fileName(picture.name, 'png'), new Blob([noted], { type: 'image/png' }));
}

export interface LegendEntry {
  label: string;
  /** CSS colour, variables allowed. */
  colour: string;
  dash: string;
  /** Outline around the origin; '' = a filled swatch. */
  marker: string;
}

const NAMESPACE = 'http://www.w3.org/2000/svg';
const HEADER = 34;
const LINE = 18;
const PADDING = 10;
/** Of the lines about runs: height, and the width of a character, about. */
const SMALL_LINE = 14;
const CHARACTER = 5.8;
/** What the page's style sheets may say about a shape or a text. */
const PROPERTIES = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linecap',
  'stroke-linejoin',
  'opacity',
  'font-family',
  'font-size',
  'font-weight',
  'text-anchor',
  'dominant-baseline',
];

/**
 * A drawing as a file of its own: computed colours and fonts on each element, title above, legend below it, then which runs it shows and
 * what the error bars are, the surface it was seen on behind it. The same and the runs' links stand in its metadata. Elements marked
 * data-export="no" (cursor, hover) are left out.
 */
export function svgDocument({ svg, legend, note }: Picture): string {
  const width = svg.clientWidth || svg.viewBox.baseVal.width;
  const height = svg.clientHeight || svg.viewBox.baseVal.height;
  const copy = svg.cloneNode(true) as SVGSVGElement;
  inlineStyles(svg, copy);
  for (const element of copy.querySelectorAll('[data-export="no"]')) element.remove();

  const surface = getComputedStyle(svg);
  const ink = surface.getPropertyValue('--ink').trim() || 'black';
  const said = noteLines(note, Math.floor(width / CHARACTER));
  const below = HEADER + height + legend.length * LINE + 10;
  const total = below + said.length * SMALL_LINE + (said.length > 0 ? 6 : 0);
  const full = width + 2 * PADDING;
  const root = element('svg', { width: full, height: total, viewBox: `0 0 ${full} ${total}` });
  root.append(
    described('title', note.title),
    described('desc', noteText(note)),
    described('metadata', JSON.stringify(note), NOTE_NAME),
    element('rect', { width: full, height: total, fill: surface.getPropertyValue('--panel').trim() || 'white' }),
  );
  root.append(text(note.title, { x: PADDING, y: 22, fill: ink, 'font-size': 15, 'font-weight': 600 }));
  const body = element('g', { transform: `translate(${PADDING} ${HEADER})` });
  body.append(...copy.childNodes);
  root.append(body);
  legend.forEach((entry, i) => root.append(legendLine(entry, HEADER + height + (i + 0.5) * LINE, ink, svg)));
  said.forEach((line, i) =>
    root.append(text(line, { x: PADDING, y: below + (i + 0.8) * SMALL_LINE, fill: ink, 'font-size': 11 })),
  );
  return new XMLSerializer().serializeToString(root);
}

/** Runs and error bars in lines of so many characters. */
function noteLines({ runs, errors }: PictureNote, width: number): string[] {
  const texts = [
    ...runs.map(({ name, settings }) => (name === '' ? settings : `${name}: ${settings}`)),
    ...(errors === null ? [] : [`Error bars: ${errors}`]),
  ];
  return texts.flatMap((text) => wrapped(text, width));
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** A part of the document that is not drawn. */
function described(name: string, content: string, id?: string): SVGElement {
  const made = element(name, id === undefined ? {} : { id });
  // What XML cannot hold.
  made.textContent = content.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, ' ');
  return made;
}

function legendLine(
  { label, colour, dash, marker }: LegendEntry,
  y: number,
  ink: string,
  on: SVGSVGElement,
): SVGElement {
  const solid = resolved(colour, on);
  const line = element('g', { transform: `translate(12 ${y})`, stroke: solid, fill: solid, 'stroke-width': 2 });
  if (marker === '') line.append(element('rect', { x: 0, y: -5, width: 24, height: 10 }));
  else {
    line.append(element('path', { d: 'M0,0H24', 'stroke-dasharray': dash || 'none' }));
    line.append(element('path', { d: marker, transform: 'translate(12 0)' }));
  }
  line.append(text(label, { x: 32, y: 4, fill: ink, stroke: 'none', 'font-size': 12 }));
  return line;
}

function inlineStyles(source: Element, copy: Element): void {
  const style = getComputedStyle(source);
  for (const property of PROPERTIES) {
    const value = style.getPropertyValue(property);
    if (value) copy.setAttribute(property, value);
  }
  copy.removeAttribute('class');
  copy.removeAttribute('style');
  for (let i = 0; i < source.children.length; i++) {
    inlineStyles(source.children[i] as Element, copy.children[i] as Element);
  }
}

/** The value of a colour with variables, as it is at an element. */
function resolved(colour: string, at: Element): string {
  const name = /^var\((--[\w-]+)\)$/.exec(colour)?.[1];
  return name ? getComputedStyle(at).getPropertyValue(name).trim() : colour;
}

function element(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

function text(content: string, attributes: Record<string, string | number>): SVGElement {
  const made = element('text', { 'font-family': 'system-ui, sans-serif', ...attributes });
  made.textContent = content;
  return made;
}
