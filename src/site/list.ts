/** The files of a built site, as its service worker keeps them. The build writes the list (tools/build/offline.ts). */

export interface SiteFile {
  /** Below the page's folder, with `/`. */
  path: string;
  /** Of its bytes, hex. */
  sha256: string;
  /** Kept when it is first fetched, and not with the first visit. */
  lazy?: true;
}

export interface SiteList {
  /** Hash of the list: another file is another version. */
  version: string;
  files: readonly SiteFile[];
}

/** The page itself. Hosts serve it as the folder, and some lead its own name there. */
export const PAGE_FILE = 'index.html';
