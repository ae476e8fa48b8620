/** What is too large for f16 reaches the page: from the engine, over the port of its worker, as a notice of the lab. */
import { expose, type Endpoint } from 'comlink';
import { expect, it, vi } from 'vitest';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import type { EngineNotice } from '../../src/engine/resilient';
import { openModelStream } from '../../src/engine/stream';
import type { Engine, EngineReport } from '../../src/engine/types';
import { createEngineHost } from '../../src/lab/host/engineHost';
import { EngineLink } from '../../src/lab/host/engineLink';
import { RemoteEngine } from '../../src/lab/host/remoteEngine';

const MODEL = 'tests/fixtures/golden/llama';
const CUT = { name: 'model.layers.1.mlp.up_proj.weight', values: 100, relative: 0.1, largest: 1e5, saturated: 3 };

it('weights when the model is opened, keys and values once when they begin', async () => {
  let cacheSaturated = 0;
  const engine: Engine = await ReferenceEngine.create(await openModelStream(folderSource(MODEL)), { maxRows: 1 });
  engine.report = async (): Promise<EngineReport> => ({
    ...((await ReferenceEngine.prototype.report.call(engine)) as EngineReport),
    ...{ dtype: 'f16', errors: [CUT], cacheSaturated },
  });
  const host = createEngineHost(
    async () => ({ kind: 'reference', device: 'test', software: false, fallbackReason: null }),
    async () => ({ engine, hash: 'abc', fallbackReason: null }),
  );
  const channel = new MessageChannel();
  expose(host, channel.port2 as unknown as Endpoint);
  const notices: EngineNotice[] = [];
  const link = new EngineLink(channel.port1, (notice) => notices.push(notice));
  const remote = await RemoteEngine.open(link.host, { model: MODEL, choice: 'reference', options: {} });
  try {
    await vi.waitFor(() => expect(notices).toHaveLength(1));
    expect(notices[0]).toEqual({
      kind: 'saturated',
      message: expect.stringMatching(/^3 weights .* f16 .*up_proj.*f32/),
    });
    await remote.score([{ ids: [1, 2], adapter: null }]);
    cacheSaturated = 7;
    for (let i = 0; i < 2; i++) await remote.score([{ ids: [1, 2], adapter: null }]);
    await vi.waitFor(() => expect(notices).toHaveLength(2));
    expect(notices[1]?.message).toMatch(/^7 numbers among keys and values .* f16/);
    await remote.score([{ ids: [1, 2], adapter: null }]);
    expect(notices).toHaveLength(2);
  } finally {
    channel.port1.close();
    channel.port2.close();
  }
});
