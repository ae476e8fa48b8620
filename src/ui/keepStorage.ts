/**
 * Asks the browser not to clear this page's storage unasked when disk space runs low. Never wait for it with something else: Firefox asks
 * the visitor, who may not answer for as long as the page lives. Call it after they chose to keep something.
 *
 * @returns whether it promised; null where it cannot be asked (in old browsers)
 */
export async function keepStorage(): Promise<boolean | null> {
  const storage = navigator.storage as StorageManager | undefined;
  if (typeof storage?.persist !== 'function') return null;
  return storage.persist().catch(() => null);
}
