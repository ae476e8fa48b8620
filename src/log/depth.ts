/** Nesting of JSON from outside: what is far deeper than anything that this program writes would exhaust the stack of whatever walks through it. */

/** Levels of lists and objects. Logs, receipts and results have less than ten. */
const DEEPEST = 64;

/** Does a JSON text nest deeper than that? Looks at brackets outside of strings; a text that is no JSON gets some answer. */
export function nestsTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === LIST || code === OBJECT) {
      if (++depth > DEEPEST) return true;
    } else if (code === LIST + 2 || code === OBJECT + 2) depth--;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Their ends are two characters further. */
const LIST = 0x5b;
const OBJECT = 0x7b;

/** Index of the quote that ends the string which begins at `from`; the last character where none does. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}
