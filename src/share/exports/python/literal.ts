/** Values as Python writes them. */

/** What a literal can hold. */
export type PythonValue =
  string | number | boolean | null | readonly PythonValue[] | { readonly [key: string]: PythonValue };

/**
 * A Python literal of JSON-like data. Strings hold printable ASCII alone: everything else is escaped, so nothing of a text ends its string,
 * turns writing round or depends on the file's encoding.
 * @throws RangeError for a number that is not finite
 */
export function pythonLiteral(value: PythonValue, indent = ''): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return pythonString(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`${value} has no literal in Python`);
    return String(value);
  }
  const isList = Array.isArray(value);
  const parts = isList
    ? (value as readonly PythonValue[]).map((one) => pythonLiteral(one, `${indent}    `))
    : Object.entries(value).map(([key, one]) => `${pythonString(key)}: ${pythonLiteral(one, `${indent}    `)}`);
  const [open, close] = isList ? '[]' : '{}';
  const short = `${open}${parts.join(', ')}${close}`;
  if (short.length + indent.length <= 100 && !short.includes('\n')) return short;
  return `${open}\n${parts.map((part) => `${indent}    ${part},\n`).join('')}${indent}${close}`;
}

function pythonString(text: string): string {
  const escaped = Array.from(text, (character) => {
    if (character === '\\' || character === '"') return `\\${character}`;
    const code = character.codePointAt(0) as number;
    if (code >= 0x20 && code < 0x7f) return character;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return `"${escaped.join('')}"`;
}
