/** A lab as a page has it, on an engine host in the same thread. */
import { expose, type Endpoint } from 'comlink';
import { fileURLToPath } from 'node:url';
import { loadTokenizer } from '../../src/backends/tokenizer';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { createEngineHost } from '../../src/lab/host/engineHost';
import { Lab } from '../../src/lab/lab';
import type { LabMessage } from '../../src/lab/types';
import { IndexedRunStore } from '../../src/store/indexed';
import { loadModel } from '../engine/loadModel';

export interface TestLab {
  lab: Lab;
  /** What it has said. */
  messages: LabMessage[];
  /** Resolves when it has said such a thing. */
  until(test: (message: LabMessage) => boolean): Promise<void>;
}

type EngineHost = ReturnType<typeof createEngineHost>;

const open: MessagePort[] = [];

/** Ends the conversations with all labs; without it the process waits for them. */
export function closeLabs(): void {
  for (const port of open.splice(0)) port.close();
}

export const modelFiles = (address: string) => folderSource(fileURLToPath(address));
export const idle = (message: LabMessage) => message.type === 'status' && message.status.state === 'idle';

/**
 * @param base a file: address, below which the models' folders are
 * @param hear gets every message on its way
 */
export function openLab(host: EngineHost, base: string, hear: (message: LabMessage) => void = () => {}): TestLab {
  const calls = new MessageChannel();
  const port = new MessageChannel();
  open.push(calls.port1, calls.port2, port.port1, port.port2);
  expose(host, calls.port2 as unknown as Endpoint);
  const messages: LabMessage[] = [];
  const waiting = new Set<() => void>();
  port.port1.onmessage = (event: MessageEvent<LabMessage[]>) => {
    for (const message of event.data) {
      messages.push(message);
      hear(message);
    }
    waiting.forEach((look) => look());
  };
  const lab = new Lab({
    openStore: () => IndexedRunStore.open(),
    openModel: async (address) => modelFiles(address),
    loadTokenizer,
    locks: null,
    channel: null,
  });
  void lab.connect(calls.port1, port.port2, base);
  const until = (test: (message: LabMessage) => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!messages.some(test)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { lab, messages, until };
}

/** A lab on the reference engine. @param onLoad called for each model that is loaded; @param hear as of `openLab` */
export function referenceLab(
  base: string,
  onLoad: () => void = () => {},
  hear?: (message: LabMessage) => void,
): TestLab {
  const host = createEngineHost(
    async () => ({ kind: 'reference', device: 'test', software: false, fallbackReason: null }),
    async ({ model, options }) => {
      onLoad();
      const { weights, hash } = await loadModel(modelFiles(model));
      return { engine: await ReferenceEngine.create(weights, options), hash, fallbackReason: null };
    },
  );
  return openLab(host, base, hear);
}
