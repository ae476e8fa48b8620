/** A page whose engine or lab worker fails goes on with the run, to the digest of an undisturbed one, or says why it does not. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/backends/tokenizer';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import type { ModelWeights } from '../../src/engine/types';
import { createEngineHost } from '../../src/lab/host/engineHost';
import { Lab } from '../../src/lab/lab';
import { LabKeeper } from '../../src/lab/host/labKeeper';
import type { LabMessage } from '../../src/lab/types';
import { resolveConfig } from '../../src/recipes/resolve';
import type { RunRecord, RunStore } from '../../src/store/types';
import { IndexedRunStore } from '../../src/store/indexed';
import { LIMITS, TICK } from '../../src/supervision';
import { loadModel } from '../engine/loadModel';
import { fakeWorker, HandClock, type FakeWorker } from '../supervision/byHand';
import { idle, modelFiles } from './testLab';

const base = new URL('../../static/', import.meta.url).href;
const config = resolveConfig('arithmetic-tiny', {
  agents: 2,
  trainProblems: 3,
  evaluationProblems: 1,
  chunk: 1,
  seed: 3,
});

let model: { weights: ModelWeights; hash: string };
let undisturbed = '';
const pages: Page[] = [];

/** What a visitor has open. */
class Page {
  readonly clock = new HandClock();
  readonly engines: FakeWorker[] = [];
  readonly labs: FakeWorker[] = [];
  readonly messages: LabMessage[] = [];
  readonly keeper: LabKeeper;
  hear: (message: LabMessage) => void = () => {};
  /** Looks at the lab's lock that find it held still by a lab that is gone. */
  lingering = 0;
  readonly locks = {
    request: async (_name: string, _how: unknown, use: (lock: object | null) => unknown) =>
      use(this.lingering-- > 0 ? null : {}),
    query: async () => ({ held: [], pending: [] }),
  } as unknown as LockManager;

  constructor(startEngine?: () => FakeWorker) {
    this.keeper = new LabKeeper({
      startEngine: () => put(this.engines, startEngine?.() ?? engineWorker()),
      startLab: () => put(this.labs, labWorker(this.locks)),
      base,
      clock: this.clock,
      hear: (message) => {
        this.messages.push(message);
        this.hear(message);
      },
    });
    pages.push(this);
  }

  said(type: 'notice' | 'error'): string[] {
    return this.messages.flatMap((message) => {
      if (message.type !== type) return [];
      return [message.type === 'notice' ? message.notice.message : message.type === 'error' ? message.message : ''];
    });
  }

  async start(): Promise<string> {
    return (await this.keeper.start(config, 'auto')).id;
  }

  /** Until something was said. The supervisors' time stands still while all is well. */
  async until(test: (message: LabMessage) => boolean, from = 0): Promise<void> {
    while (!this.messages.slice(from).some(test)) {
      if (this.faulty) await this.clock.pass(TICK, 2);
      else await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** A worker that was not ended yet cannot be heard. */
  get faulty(): boolean {
    return [...this.engines, ...this.labs].some(({ muted, ended }) => muted && !ended);
  }

  /** Until the run has ended. */
  async finished(id: string): Promise<RunRecord> {
    const ended = (message: LabMessage) =>
      message.type === 'run' && message.run.id === id && ['finished', 'failed'].includes(message.run.status);
    await this.until(ended);
    return this.keeper.read((lab) => lab.run(id));
  }

  /** Does something when such a thing is said for the first time, or the first times. */
  when(test: (message: LabMessage) => boolean, act: () => void, times = 1): void {
    this.hear = (message) => {
      if (times > 0 && test(message) && times-- > 0) act();
    };
  }
}

const put = <T>(list: T[], one: T): T => {
  list.push(one);
  return one;
};

function engineWorker(): FakeWorker {
  return fakeWorker((heart) =>
    createEngineHost(
      async () => ({ kind: 'reference', device: 'test', software: false, fallbackReason: null }),
      async ({ options }) => ({
        engine: await ReferenceEngine.create(model.weights, options),
        hash: model.hash,
        fallbackReason: null,
      }),
      heart,
    ),
  );
}

function labWorker(locks: LockManager): FakeWorker {
  const worker = fakeWorker((heart, ports) => {
    const lab = new Lab({
      openStore: async () => writtenBy(await IndexedRunStore.open(), () => !worker.muted && !worker.ended),
      openModel: async (address) => modelFiles(address),
      loadTokenizer,
      locks,
      channel: null,
      pulse: heart,
    });
    const connect = lab.connect.bind(lab);
    lab.connect = (engine, messages, address) => {
      ports.push(engine, messages);
      return connect(engine, messages, address);
    };
    return lab;
  });
  return worker;
}

/** A store whose calls never come back once its worker is gone. */
function writtenBy(store: RunStore, alive: () => boolean): RunStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => (alive() ? value.apply(target, args) : new Promise(() => {}));
    },
  });
}

const event =
  (type: string, nth = 1) =>
  (message: LabMessage) => {
    if (message.type === 'events') nth -= message.events.filter((one) => one.type === type).length;
    return message.type === 'events' && nth <= 0;
  };
const sampling = (message: LabMessage) => message.type === 'partial';

beforeAll(async () => {
  globalThis.indexedDB = new IDBFactory();
  model = await loadModel(modelFiles(`${base}models/${config.model}/`));
  const page = new Page();
  undisturbed = (await page.finished(await page.start())).digest;
});
beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});
afterEach(() => {
  for (const page of pages.splice(0)) page.keeper.end();
});

describe('a run', () => {
  const points: [string, () => (message: LabMessage) => boolean][] = [
    ['while the first answers are sampled', () => sampling],
    ['while it is finetuned', () => event('training-step', 2)],
    ['at its last evaluation', () => event('evaluation', 2)],
  ];
  for (const [when, point] of points) {
    it(`whose engine ends ${when} goes on to the same digest`, async () => {
      const page = new Page();
      page.when(point(), () => page.engines[0]!.mute());
      const record = await page.finished(await page.start());
      expect(record).toMatchObject({ status: 'finished', digest: undisturbed });
      expect([page.engines.length, page.labs.length]).toEqual([2, 1]);
      expect(page.said('error')).toEqual([]);
      expect(page.said('notice')).toEqual([
        'The engine did not answer for 15 seconds. It was started again, and the run goes on from its last event.',
      ]);
    });

    it(`whose lab ends ${when} goes on to the same digest`, async () => {
      const page = new Page();
      page.when(point(), () => page.labs[0]!.mute());
      const record = await page.finished(await page.start());
      expect(record).toMatchObject({ status: 'finished', digest: undisturbed });
      expect([page.engines.length, page.labs.length]).toEqual([2, 2]);
      expect(page.said('error')).toEqual([]);
      expect(page.said('notice')).toEqual([
        'The lab did not answer for 30 seconds. It was started again, and the run goes on from its last event.',
      ]);
    });
  }

  it('whose engine gets nowhere stops after three new ones, and says why', async () => {
    let asked = 0;
    const stuck = () =>
      fakeWorker((heart) =>
        createEngineHost(
          async () => ({ kind: 'reference', device: 'test', software: false, fallbackReason: null }),
          () => {
            asked++;
            return new Promise(() => {});
          },
          heart,
        ),
      );
    const page = new Page(stuck);
    const id = await page.start();
    for (let engine = 1; engine <= 4; engine++) {
      while (asked < engine) await new Promise((resolve) => setTimeout(resolve, 2));
      while (!page.engines[engine - 1]!.ended) await page.clock.pass(TICK, 1);
    }
    const record = await page.finished(id);
    expect(record.status).toBe('failed');
    expect(record.error).toMatch(/^The engine made no progress for 120 seconds\. It was started again 3 times/);
    expect(page.engines).toHaveLength(4);
    expect(page.said('error')).toEqual([record.error]);
    await page.until(idle);
  });

  it('that is paused when the lab ends is paused again, and goes on when it is asked to', async () => {
    const page = new Page();
    const id = await page.start();
    await page.until(event('training-step'));
    await page.keeper.call((lab) => lab.pause());
    const paused = (message: LabMessage) => message.type === 'status' && message.status.state === 'paused';
    await page.until(paused);
    // However long it is held, nothing is taken for stuck.
    await page.clock.pass(2 * LIMITS.stalled);
    expect(page.said('notice')).toEqual([]);
    const heard = page.messages.length;
    page.labs[0]!.mute();
    await page.until(paused, heard + 1);
    expect(page.said('notice')).toHaveLength(1);
    await page.keeper.resume(id, 'auto');
    expect(await page.finished(id)).toMatchObject({ status: 'finished', digest: undisturbed });
  });
});

describe('Stop', () => {
  for (const who of ['engines', 'labs'] as const) {
    it(`takes hold within two seconds when one of the ${who} loops`, async () => {
      const page = new Page();
      const id = await page.start();
      await page.until(event('training-step'));
      page[who][0]!.mute();
      const before = page.clock.now();
      let stopped = false;
      const stopping = page.keeper.stop().then(() => (stopped = true));
      while (!stopped) await page.clock.pass(TICK, 100);
      await stopping;
      expect(page.clock.now() - before).toBeLessThanOrEqual(2_500);
      expect(page.said('error')).toEqual([]);
      const record = await page.keeper.read((lab) => lab.run(id));
      expect(record.status).toBe('stopped');
      page.messages.splice(0);
      // A lab that was ended may hold its lock for a moment; the visitor need not know.
      if (who === 'labs') page.lingering = 5;
      let resumed = false;
      const resuming = page.keeper.resume(id, 'auto').finally(() => (resumed = true));
      while (!resumed) await page.clock.pass(TICK, 50);
      await resuming;
      expect(await page.finished(id)).toMatchObject({ status: 'finished', digest: undisturbed });
    });
  }
});
