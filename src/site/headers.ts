/**
 * Headers that isolate the page from pages of other origins. Browsers then let its workers share memory. Whatever comes from another origin
 * has to allow it (CORS), as the hub does.
 */
export const ISOLATION_HEADERS: Readonly<Record<string, string>> = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
