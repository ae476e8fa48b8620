/** Keys that stand twice in one object of JSON: JSON.parse keeps the last one in silence. */

/**
 * In one pass, without recursion.
 * @param text JSON that JSON.parse takes
 * @returns the first key that its object already has, null where there is none
 */
export function duplicateKey(text: string): string | null {
  /** The keys of each object that is open; null for a list. */
  const open: (Set<string> | null)[] = [];
  /** The last text, as long as a colon may follow it. */
  let last: string | null = null;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"') {
      const end = endOfText(text, at);
      last = text.slice(at, end + 1);
      at = end;
    } else if (sign === ':' && last !== null) {
      const keys = open.at(-1);
      const key = last.includes('\\') ? (JSON.parse(last) as string) : last.slice(1, -1);
      if (keys?.has(key)) return key;
      keys?.add(key);
      last = null;
    } else if (sign === '{' || sign === '[') open.push(sign === '{' ? new Set() : null);
    else if (sign === '}' || sign === ']') open.pop();
  }
  return null;
}

/** The place of the closing quotation mark. */
function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return text.length;
}
