/** Saving a chart: picture as SVG or PNG, numbers as CSV or JSON. Everything is made in the page; nothing is fetched. */
import { download } from '../download';
import { fileName, toCsv, toRecords, type DataTable } from '../readings/table';

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

export function exportSvg(title: string, svg: SVGSVGElement, legend: readonly LegendEntry[]): void {
  download(fileName(title, 'svg'), svgDocument(title, svg, legend), 'image/svg+xml');
}

/** @param scale pixels of the file per pixel of the page. */
export async function exportPng(
  title: string,
  svg: SVGSVGElement,
  legend: readonly LegendEntry[],
  scale = 2,
): Promise<void> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgDocument(title, svg, legend))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width * scale;
  canvas.height = image.height * scale;
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (blob) download(fileName(title, 'png'), blob);
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
 * A drawing as a file of its own: computed colours and fonts on each element, title above, legend below, the surface it was seen
 * on behind it. Elements marked data-export="no" (cursor, hover) are left out.
 */
export function svgDocument(title: string, svg: SVGSVGElement, legend: readonly LegendEntry[]): string {
  const width = svg.clientWidth || svg.viewBox.baseVal.width;
  const height = svg.clientHeight || svg.viewBox.baseVal.height;
  const copy = svg.cloneNode(true) as SVGSVGElement;
  inlineStyles(svg, copy);
  for (const element of copy.querySelectorAll('[data-export="no"]')) element.remove();

  const surface = getComputedStyle(svg);
  const ink = surface.getPropertyValue('--ink').trim() || 'black';
  const total = HEADER + height + legend.length * LINE + 10;
  const full = width + 2 * PADDING;
  const root = element('svg', { width: full, height: total, viewBox: `0 0 ${full} ${total}` });
  root.append(
    element('rect', { width: full, height: total, fill: surface.getPropertyValue('--panel').trim() || 'white' }),
  );
  root.append(text(title, { x: PADDING, y: 22, fill: ink, 'font-size': 15, 'font-weight': 600 }));
  const body = element('g', { transform: `translate(${PADDING} ${HEADER})` });
  body.append(...copy.childNodes);
  root.append(body);
  legend.forEach((entry, i) => root.append(legendLine(entry, HEADER + height + (i + 0.5) * LINE, ink, svg)));
  return new XMLSerializer().serializeToString(root);
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
