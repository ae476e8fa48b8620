/** Texts with the terms of the glossary found in them. */
import { GLOSSARY } from './glossary';

export interface Part {
  text: string;
  /** Entry of the glossary; null = plain text. */
  entry: string | null;
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** Longer entries first: "paired difference" before "difference". */
const ENTRIES = Object.keys(GLOSSARY).sort((a, b) => b.length - a.length);
/** An entry is a word of its own, or its plural. */
const PATTERN = new RegExp(`(?<![\\p{L}\\p{N}])(${ENTRIES.map(escaped).join('|')})(?:s|es)?(?![\\p{L}\\p{N}])`, 'giu');

/** The text in parts. Each entry that `claim` grants is marked once, where it is mentioned first. */
export function partsOf(text: string, claim: (entry: string) => boolean = () => true): Part[] {
  const parts: Part[] = [];
  const said = new Set<string>();
  let from = 0;
  for (const match of text.matchAll(PATTERN)) {
    const entry = ENTRIES.find((one) => one.toLowerCase() === match[1]?.toLowerCase());
    if (!entry || said.has(entry)) continue;
    said.add(entry);
    if (!claim(entry)) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index), entry: null });
    parts.push({ text: match[0], entry });
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push({ text: text.slice(from), entry: null });
  return parts;
}

/** A part with what stands beside a term without a space between: brackets, hyphens, the end of a sentence. */
export interface GluedPart extends Part {
  before: string;
  after: string;
}

/** Parts whose terms hold what no line may part from them. */
export function gluedParts(parts: readonly Part[]): GluedPart[] {
  const glued = parts.map((part) => ({ ...part, before: '', after: '' }));
  glued.forEach((part, n) => {
    if (part.entry === null) return;
    const [earlier, later] = [glued[n - 1], glued[n + 1]];
    if (later?.entry === null) {
      part.after = /^\S+/.exec(later.text)?.[0] ?? '';
      later.text = later.text.slice(part.after.length);
    }
    if (earlier?.entry === null) {
      part.before = /\S+$/.exec(earlier.text)?.[0] ?? '';
      earlier.text = earlier.text.slice(0, earlier.text.length - part.before.length);
    }
  });
  return glued;
}
