/** The part of web-llm that is used here. Whoever loads it is a worker of its own: two engines in one realm break each other. */
import type * as Library from '@mlc-ai/web-llm';
import { PolylogueError } from '../../engine/errors';

export type WebLlmLibrary = Pick<typeof Library, 'CreateMLCEngine' | 'prebuiltAppConfig' | 'modelVersion'>;
export type WebLlmEngine = Pick<
  Library.MLCEngineInterface,
  'chat' | 'interruptGenerate' | 'resetChat' | 'unload' | 'getGPUVendor'
>;
export type ModelRecord = Library.ModelRecord;

/** Nobody's site: whatever the library wants to fetch comes from the lab. */
const SITE = 'https://model.invalid/lab/model/resolve/stored/';
const LIBRARY = 'https://model.invalid/library.wasm';
export const MODEL_ID = 'model';

/** Bytes of a model's file; null where it has none. */
export type ReadFile = (path: string) => Promise<Uint8Array<ArrayBuffer> | null>;

/** A record under which the library asks the lab for every file. */
export function ownRecord(record: Partial<ModelRecord>): ModelRecord {
  const { overrides, required_features: features } = record;
  return {
    model: SITE,
    model_id: MODEL_ID,
    model_lib: LIBRARY,
    ...(overrides && { overrides }),
    ...(features && { required_features: features }),
  };
}

/** The path of a file in the store, by the address that the library asks for; null for other addresses. */
function pathOf(address: string, library: string): string | null {
  if (address === LIBRARY) return library;
  return address.startsWith(SITE) ? decodeURIComponent(address.slice(SITE.length)) : null;
}

/** A file that the library asks for is not in the store. */
export class MissingFileError extends PolylogueError {}

/**
 * Stands in the place of the browser's cache in the worker: the library finds every file of the model there, as the lab has checked it, and
 * fetches none. Its own cache would say neither which file is missing nor that one is cut short.
 * @param library the library's path in the store
 */
export function cachesOf(read: ReadFile, library: string): Pick<CacheStorage, 'open'> {
  const bytesOf = async (asked: RequestInfo | URL): Promise<Uint8Array<ArrayBuffer>> => {
    const address = typeof asked === 'string' ? asked : asked instanceof URL ? asked.href : asked.url;
    const path = pathOf(address, library);
    const bytes = path === null ? null : await read(path);
    if (bytes === null) throw new MissingFileError(`${path ?? address} is not among the files of this model`);
    return bytes;
  };
  const cache = {
    match: async (asked: RequestInfo | URL) => new Response(await bytesOf(asked)),
    add: async (asked: RequestInfo | URL) => void (await bytesOf(asked)),
    keys: async () => [],
    delete: async () => false,
  };
  return { open: async () => cache as unknown as Cache };
}

/** Calls `lost` with the reason when a device that anybody in this realm makes is lost. */
export function watchDevices(gpu: Pick<GPU, 'requestAdapter'>, lost: (reason: string) => void): void {
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (!adapter) return null;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (wanted) => {
      const device = await requestDevice(wanted);
      void device.lost.then(({ reason, message }) => lost(message || reason));
      return device;
    };
    return adapter;
  };
}
