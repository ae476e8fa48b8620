/** Addresses of sites, as people give them. */

/** An http or https address without a fragment? */
export function isHttpAddress(text: string): boolean {
  if (text.includes('#') || /\s/.test(text)) return false;
  try {
    return ['http:', 'https:'].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}
