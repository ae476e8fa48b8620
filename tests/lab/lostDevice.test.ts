/** A run whose device is destroyed in the middle has the log of an undisturbed one, and the page is told. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { ResilientEngine } from '../../src/engine/resilient';
import { openModelStream } from '../../src/engine/stream';
import { createEngineHost } from '../../src/lab/host/engineHost';
import type { LabMessage } from '../../src/lab/types';
import { resolveConfig } from '../../src/recipes/resolve';
import type { RunRecord } from '../../src/store/types';
import { TroubledGpu } from '../engine/troubledGpu';
import { closeLabs, idle, modelFiles, openLab } from './testLab';

const base = new URL('../../static/', import.meta.url).href;
const config = resolveConfig('arithmetic-tiny', {
  agents: 2,
  trainProblems: 3,
  evaluationProblems: 1,
  chunk: 2,
  seed: 3,
});

const hosts: { close(): unknown }[] = [];

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
  closeLabs();
});

/** Runs the experiment as a page does; `hear` gets every message on its way. */
async function run(
  troubled: TroubledGpu,
  hear: (message: LabMessage) => void = () => {},
): Promise<{ record: RunRecord; messages: LabMessage[] }> {
  const host = createEngineHost(
    async () => ({ kind: 'webgpu', device: 'test', software: false, fallbackReason: null }),
    async ({ model, options }, _progress, onNotice) => {
      const stream = await openModelStream(modelFiles(model));
      const engine = await ResilientEngine.open(
        (wanted) => WebGpuEngine.create(troubled.gpu, stream, wanted),
        options,
        { onNotice, pauses: [0, 0, 0], checkpointSteps: 3 },
      );
      return { engine, hash: stream.hash as string, fallbackReason: null };
    },
  );
  hosts.push(host);
  const { lab, messages, until } = openLab(host, base, hear);
  const { id } = await lab.start(config, 'webgpu');
  await until(idle);
  return { record: await lab.run(id), messages };
}

const isTraining = (message: LabMessage) =>
  message.type === 'events' && message.events.some(({ type }) => type === 'training-step');
const notices = (messages: readonly LabMessage[]) =>
  messages.flatMap((message) => (message.type === 'notice' ? [message.notice.kind] : []));

describe('a run whose device is lost', () => {
  let undisturbed: { record: RunRecord; messages: LabMessage[] };
  let calls: number;

  beforeAll(async () => {
    globalThis.indexedDB = new IDBFactory();
    const calm = await TroubledGpu.open();
    undisturbed = await run(calm);
    calls = calm.calls;
    expect(undisturbed.record).toMatchObject({ status: 'finished', error: null });
    expect(notices(undisturbed.messages)).toEqual([]);
    expect(undisturbed.messages.some(isTraining)).toBe(true);
  }, 600_000);

  // In the middle; early and, on the next device, late.
  it.each([[[0.5]], [[0.2, 1.1]]])(
    'ends with the digest of an undisturbed one, and says what happened (lost at %j of its calls)',
    async (shares) => {
      const troubled = await TroubledGpu.open();
      shares.forEach((share) => troubled.dieAt.add(Math.floor(share * calls)));
      const { record, messages } = await run(troubled);
      expect(messages.filter(({ type }) => type === 'error')).toEqual([]);
      const { digest, events } = undisturbed.record;
      expect(record).toMatchObject({ status: 'finished', digest, events });
      expect(notices(messages)).toEqual(shares.flatMap(() => ['device-lost', 'recovered']));
    },
    600_000,
  );

  it('goes on when it is lost between two steps of a training', async () => {
    const troubled = await TroubledGpu.open();
    let lost = 0;
    const { record } = await run(troubled, (message) => {
      if (isTraining(message) && lost++ === 0) troubled.destroy();
    });
    expect(troubled.devices).toHaveLength(2);
    expect(record).toMatchObject({ status: 'finished', digest: undisturbed.record.digest });
  }, 600_000);
});
