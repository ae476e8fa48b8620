/** Text of models and files at a terminal. */

/** Without characters that a terminal obeys, that turn writing round or that cannot be seen; line breaks become spaces. */
export function shown(text: string): string {
  return (
    text
      .replace(/[\r\n\t]+/g, ' ')
      // Control characters, marks of direction, and characters without width.
      .replace(/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, '�')
  );
}
