/** Opens a seat's model in web-llm: its worker, and its files through the lab's own store. */
import { storedAddress } from '../../models/address';
import type { DownloadProgress } from '../../models/progress';
import { LIBRARY_FILE, storeMlc } from '../../models/seatFiles';
import type { ChunkStore } from '../../models/store';
import { openWebLlm } from '../../runtimes/webllm/voice';
import type { WebLlmApi, WebLlmModel } from '../../runtimes/webllm/work';
import type { Voice } from '../../runtimes/types';
import { Supervised, type Body, type SupervisorClock } from '../../supervision';
import type { VoiceRequest } from './voices';

export interface WebLlmParts {
  start(): Body;
  openStore(): Promise<ChunkStore>;
  clock?: SupervisorClock;
}

/** Compiling a library holds its worker; shaders of a large model are compiled in one go. */
const LIMITS = { silent: 180_000, stalled: 300_000 };

/** @throws VoiceError and its kinds */
export async function openWebLlmVoice(parts: WebLlmParts, request: VoiceRequest): Promise<Voice> {
  const { spec, config, signal, onText, onProgress, onDownload } = request;
  const worker = new Supervised<WebLlmApi>({
    name: 'worker of web-llm',
    start: () => parts.start(),
    limits: LIMITS,
    ...(parts.clock && { clock: parts.clock }),
    ...(onProgress && { onProgress }),
  });
  const { name, address, option } = spec;
  const model: WebLlmModel = option === '' ? { id: address } : { model: address, library: option };
  return openWebLlm({
    name,
    model,
    worker,
    config,
    signal,
    onText,
    async store(record) {
      const downloading = (progress: DownloadProgress): void => {
        onProgress?.();
        onDownload?.(name, progress);
      };
      const asked = { name, address: record.model, library: record.library };
      const id = await storeMlc(asked, { store: await parts.openStore(), signal, onProgress: downloading });
      return { ...record, files: storedAddress(id), libraryFile: LIBRARY_FILE };
    },
  });
}
