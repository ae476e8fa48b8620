/**
 * The site's own files in the browser's cache: kept by a list with hashes, answered from there, so that the lab opens without a network.
 * Nothing else is touched: models and runs lie in stores of their own. Knows no service worker; `workers/site.ts` wires it to one.
 */
import { answered, isolated, notFound, plainCopy } from './answers';
import { PAGE_FILE, type SiteFile, type SiteList } from './list';

/** Files that are fetched beside each other. */
const BESIDE = 6;

export interface SiteParts {
  list: SiteList;
  /** Address of the page's folder, `/` at its end. */
  scope: string;
  caches: CacheStorage;
  fetch: typeof fetch;
}

/** A file that the host sent is another one than the list names: the host is between two versions, or changes files. */
export class SiteFileError extends Error {}

export class SiteCache {
  readonly #parts: SiteParts;
  readonly #files: ReadonlyMap<string, SiteFile>;
  /** Folders that the list knows with all their files. */
  readonly #folders: ReadonlySet<string>;
  /** Other sites of the same origin have other caches. */
  readonly #prefix: string;

  constructor(parts: SiteParts) {
    this.#parts = parts;
    const { files } = parts.list;
    this.#files = new Map(files.map((file) => [file.path, file]));
    this.#folders = new Set(files.map(({ path }) => folderOf(path)).filter((folder) => folder !== ''));
    this.#prefix = `polylogue-site ${new URL(parts.scope).pathname} `;
  }

  /** Name of this version's cache. */
  get name(): string {
    return `${this.#prefix}${this.#parts.list.version}`;
  }

  /**
   * Keeps every file of the list that is not lazy; what an older version has with the same bytes is taken from there.
   * @throws SiteFileError, or what fetching throws; nothing of this version is left then
   */
  async install(): Promise<void> {
    const { caches } = this.#parts;
    const known = await caches.has(this.name);
    const older = await this.#caches();
    const fresh = await caches.open(this.name);
    const left = [...this.#files.values()].filter(({ lazy }) => !lazy);
    const work = async (): Promise<void> => {
      for (let file = left.pop(); file; file = left.pop()) await this.#keep(fresh, file, older);
    };
    try {
      await Promise.all(Array.from({ length: BESIDE }, work));
    } catch (error) {
      left.length = 0;
      if (!known) await caches.delete(this.name);
      throw error;
    }
  }

  /** Removes the caches of other versions. Called when no page of theirs is open. */
  async tidy(): Promise<void> {
    const names = await this.#names();
    await Promise.all(names.filter((name) => name !== this.name).map((name) => this.#parts.caches.delete(name)));
  }

  /** The answer to a request of a page; null where the browser is to ask the host itself. */
  answer(request: Request): Promise<Response> | null {
    const path = this.#pathOf(request);
    if (path === null) return null;
    const file = this.#files.get(path);
    return file ? this.#answerFile(request, file) : this.#answerOther(request, path);
  }

  async #answerFile(request: Request, file: SiteFile): Promise<Response> {
    const cache = await this.#parts.caches.open(this.name);
    const kept = await cache.match(this.#address(file));
    if (kept) return answered(request, kept);
    // Lazy, or thrown out by the browser.
    const response = await this.#parts.fetch(this.#address(file), { cache: 'no-cache', credentials: 'same-origin' });
    if (!response.ok) return isolated(response);
    const copy = await plainCopy(response);
    if (copy.sha256 === file.sha256) await cache.put(this.#address(file), copy.response.clone());
    return answered(request, copy.response);
  }

  /** A page of an older version asks for its own parts; whatever else lies beside the site comes from the host. */
  async #answerOther(request: Request, path: string): Promise<Response> {
    for (const cache of await this.#caches()) {
      const kept = await cache.match(new URL(path, this.#parts.scope).href);
      if (kept) return answered(request, kept);
    }
    try {
      return isolated(await this.#parts.fetch(request));
    } catch (error) {
      // Of these folders every file is known: without a network, too, there is no other.
      if (this.#folders.has(folderOf(path))) return notFound();
      throw error;
    }
  }

  async #keep(fresh: Cache, file: SiteFile, older: readonly Cache[]): Promise<void> {
    const address = this.#address(file);
    for (const cache of older) {
      const kept = await cache.match(address);
      const copy = kept && (await plainCopy(kept));
      if (copy?.sha256 === file.sha256) return fresh.put(address, copy.response);
    }
    const response = await this.#parts.fetch(address, { cache: 'no-cache', credentials: 'same-origin' });
    if (!response.ok) throw new SiteFileError(`${file.path} could not be fetched: HTTP ${response.status}`);
    const copy = await plainCopy(response);
    if (copy.sha256 !== file.sha256)
      throw new SiteFileError(`${file.path} has the sha-256 ${copy.sha256}, and the site's list says ${file.sha256}`);
    await fresh.put(address, copy.response);
  }

  /** Below the page's folder; null for what is none of the site's. */
  #pathOf({ url, method }: Request): string | null {
    if (method !== 'GET' && method !== 'HEAD') return null;
    const { scope } = this.#parts;
    const { origin, pathname } = new URL(url);
    const root = new URL(scope);
    if (origin !== root.origin || !pathname.startsWith(root.pathname)) return null;
    try {
      return decodeURIComponent(pathname.slice(root.pathname.length)) || PAGE_FILE;
    } catch {
      return null;
    }
  }

  #address({ path }: SiteFile): string {
    const { scope } = this.#parts;
    if (path === PAGE_FILE) return scope;
    return new URL(path.split('/').map(encodeURIComponent).join('/'), scope).href;
  }

  async #names(): Promise<string[]> {
    return (await this.#parts.caches.keys()).filter((name) => name.startsWith(this.#prefix));
  }

  /** This version's and older ones', the newest last. */
  async #caches(): Promise<Cache[]> {
    return Promise.all((await this.#names()).map((name) => this.#parts.caches.open(name)));
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}
