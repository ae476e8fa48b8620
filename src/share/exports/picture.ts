/**
 * What an exported picture says of its run, inside the file: an SVG in its metadata, a PNG in a text chunk (iTXt). Dropped on the page,
 * or given to `open`, it leads back to the experiment.
 */
import * as v from 'valibot';

/** A run that a picture shows. */
export interface PicturedRun {
  name: string;
  /** For people: recipe, preset, what differs from it, seed, model. */
  settings: string;
  /** The fragment that repeats it; null where no link holds it. */
  link: string | null;
}

export interface PictureNote {
  title: string;
  runs: PicturedRun[];
  /** What the error bars are; null where there are none. */
  errors: string | null;
}

/** Id of the SVG's metadata, and keyword of the PNG's text. */
export const NOTE_NAME = 'polylogue';

/** Bytes of a note that is read, and of the beginning of an SVG in which it is sought. */
const LONGEST_NOTE = 65_536;
const LOOKED_AT = 262_144;

const noteSchema = v.object({
  runs: v.pipe(
    v.array(v.object({ link: v.nullable(v.pipe(v.string(), v.regex(/^#[\w-]{1,8192}$/))) })),
    v.maxLength(100),
  ),
});

/** In sentences, for programs that show a picture's description. */
export function noteText({ title, runs, errors }: PictureNote): string {
  return [
    ...runs.map(({ name, settings }) => `${title}. Run: ${name}. Settings: ${settings}.`),
    ...(errors === null ? [] : [`Error bars: ${errors}.`]),
  ].join(' ');
}

export function pictureKind(bytes: Uint8Array): 'png' | 'svg' | null {
  if (PNG.every((byte, at) => bytes[at] === byte)) return 'png';
  const head = new TextDecoder().decode(bytes.subarray(0, 1024)).replace(/^\ufeff/, '');
  return /^\s*(<\?xml[^>]*>\s*)?(<!--[^>]*-->\s*)?<svg[\s>]/.test(head) ? 'svg' : null;
}

/** The link of a picture's first run that has one; null for another picture. Never throws. */
export function linkInPicture(bytes: Uint8Array): string | null {
  const kind = pictureKind(bytes);
  const text = kind === 'png' ? textInPng(bytes) : kind === 'svg' ? textInSvg(bytes) : null;
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const note = v.safeParse(noteSchema, value);
  if (!note.success) return null;
  return note.output.runs.find(({ link }) => link !== null)?.link ?? null;
}

function textInSvg(bytes: Uint8Array): string | null {
  const text = new TextDecoder().decode(bytes.subarray(0, LOOKED_AT));
  const found = new RegExp(`<metadata[^>]* id="${NOTE_NAME}"[^>]*>([^<]*)</metadata>`).exec(text)?.[1];
  return found?.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name] as string) ?? null;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** A PNG with a note in it, behind its header. Other programs show its title and description. @throws TypeError for what is no PNG */
export function pngWithNote(png: Uint8Array, note: PictureNote): Uint8Array<ArrayBuffer> {
  const header = chunksOf(png).next().value;
  if (header?.type !== 'IHDR') throw new TypeError('the picture is no PNG');
  const texts = [
    textChunk('Title', note.title),
    textChunk('Description', noteText(note)),
    textChunk('Software', 'Polylogue'),
    textChunk(NOTE_NAME, JSON.stringify(note)),
  ];
  const parts = [png.subarray(0, header.end), ...texts, png.subarray(header.end)];
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** PNG, section 11.3.3.4: keyword, no compression, no language, UTF-8. */
function textChunk(keyword: string, text: string): Uint8Array {
  const encoder = new TextEncoder();
  const data = Uint8Array.of(...encoder.encode(`iTXt${keyword}`), 0, 0, 0, 0, 0);
  const said = encoder.encode(text);
  const chunk = new Uint8Array(4 + data.length + said.length + 4);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length - 4 + said.length);
  chunk.set(data, 4);
  chunk.set(said, 4 + data.length);
  view.setUint32(chunk.length - 4, crc32(chunk.subarray(4, chunk.length - 4)));
  return chunk;
}

function textInPng(bytes: Uint8Array): string | null {
  const start = [...new TextEncoder().encode(NOTE_NAME), 0, 0, 0, 0, 0];
  for (const { type, data } of chunksOf(bytes)) {
    if (type !== 'iTXt' || data.length > LONGEST_NOTE || start.some((byte, at) => data[at] !== byte)) continue;
    return new TextDecoder().decode(data.subarray(start.length));
  }
  return null;
}

/** The chunks of a PNG as far as they are whole. */
function* chunksOf(bytes: Uint8Array): Generator<{ type: string; data: Uint8Array; end: number }, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = PNG.length; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const end = at + 12 + length;
    if (end > bytes.length) return;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    yield { type, data: bytes.subarray(at + 8, at + 8 + length), end };
    at = end;
  }
}

/** CRC-32 (ISO 3309), as PNG asks. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
