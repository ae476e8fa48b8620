/** What the page says to its service worker. */

/** The visitor wants the newer version that waits. */
export const TAKE_OVER = 'take over';
/** A page has started. */
export const STARTED = 'started';
/** A page that was loaded before there was a service worker is to be answered by it too. */
export const CLAIM = 'claim';

/** The service worker's script, in the page's folder: it serves what lies there and below. */
export const SERVICE_WORKER_FILE = 'sw.js';
