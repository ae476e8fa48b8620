/** File names from texts that come from outside. Nothing of a log or a bundle reaches a path in another way. */

/** Characters of a name's part. */
const LONGEST = 80;

/** Names that Windows keeps for devices. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)$/;

/** A file name from a title: lower case, words joined by hyphens. @param extension without its dot */
export function fileName(title: string, extension: string): string {
  return `${pathPart(title, 'polylogue')}.${extension}`;
}

/** One part of a path: letters of ASCII in lower case, digits and hyphens, never empty, never a name that a system keeps for itself. */
export function pathPart(name: string, fallback = 'unnamed'): string {
  const words = name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, LONGEST)
    .replace(/-+$/, '');
  return words === '' || RESERVED.test(words) ? `${fallback}${words && `-${words}`}` : words;
}

/** Parts of paths for names, each its own: those that would be alike get a number. */
export function pathParts(names: Iterable<string>): Map<string, string> {
  const parts = new Map<string, string>();
  const taken = new Set<string>();
  for (const name of new Set(names)) {
    const plain = pathPart(name);
    let part = plain;
    for (let n = 2; taken.has(part); n++) part = `${plain}-${n}`;
    taken.add(part);
    parts.set(name, part);
  }
  return parts;
}
