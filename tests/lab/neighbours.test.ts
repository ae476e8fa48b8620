/** Two tabs of one browser: who computes, who watches, and what becomes of the watching one. */
import { afterEach, expect, it } from 'vitest';
import { LabBusyError } from '../../src/lab/errors';
import { LAB_CHANNEL, Neighbours } from '../../src/lab/run/neighbours';
import type { LabMessage, LabStatus } from '../../src/lab/types';
import { sampleRecord } from '../store/samples';

type Grant = (lock: Lock | null) => unknown;

/** Exclusive locks as the browser has them, for one name. */
class Locks {
  held = false;
  #waiting: Grant[] = [];

  async query(): Promise<LockManagerSnapshot> {
    return { held: this.held ? [{ name: 'polylogue-lab', mode: 'exclusive' }] : [], pending: [] };
  }

  async request(name: string, options: LockOptions | Grant, grant?: Grant): Promise<unknown> {
    const wanted = typeof options === 'function' ? options : grant!;
    if (this.held && typeof options !== 'function' && options.ifAvailable) return wanted(null);
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(() => resolve()));
    this.held = true;
    try {
      return await wanted({ name, mode: 'exclusive' });
    } finally {
      this.held = false;
      this.#waiting.shift()?.(null);
    }
  }
}

const channels: BroadcastChannel[] = [];
afterEach(() => channels.splice(0).forEach((channel) => channel.close()));

function tab(locks: Locks, present: () => LabMessage[] = () => []) {
  const heard: LabMessage[] = [];
  const channel = new BroadcastChannel(LAB_CHANNEL);
  channels.push(channel);
  const neighbours = new Neighbours({
    locks: locks as unknown as LockManager,
    channel,
    present,
    hear: (message) => heard.push(message),
  });
  return { neighbours, heard };
}

const status = (state: LabStatus['state']): LabStatus => ({
  state,
  runId: 'a-run',
  activity: null,
  progress: 0.5,
  secondsLeft: null,
  engine: null,
});
const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

it('lets one tab compute; another one is refused, hears of the work, and hears when it is gone', async () => {
  const locks = new Locks();
  const news: LabMessage[] = [
    { type: 'run', run: sampleRecord('a-run') },
    { type: 'status', status: status('running') },
  ];
  const one = tab(locks, () => news);
  const release = await one.neighbours.take();
  const two = tab(locks);
  await expect(two.neighbours.take()).rejects.toBeInstanceOf(LabBusyError);

  expect(await two.neighbours.busyElsewhere()).toBe(true);
  await settled();
  expect(two.heard.map(({ type }) => type)).toEqual(['run', 'elsewhere']);
  expect(two.heard[1]).toMatchObject({ status: { runId: 'a-run', progress: 0.5 } });

  // Events and partial text stay in their tab; a closed tab gives its lock back without a word.
  one.neighbours.tell([{ type: 'events', runId: 'a-run', from: 0, events: [] }]);
  release();
  await settled();
  expect(two.heard.slice(2)).toEqual([{ type: 'elsewhere', status: null }]);
  expect(locks.held).toBe(false);
  (await two.neighbours.take())();
});

it('hears of a run that another tab starts, and is not told that it ended by an idle message alone', async () => {
  const locks = new Locks();
  const one = tab(locks);
  const two = tab(locks);
  const release = await one.neighbours.take();
  one.neighbours.tell([{ type: 'status', status: status('loading') }]);
  await settled();
  expect(two.heard).toMatchObject([{ type: 'elsewhere', status: { state: 'loading' } }]);
  one.neighbours.tell([{ type: 'status', status: status('idle') }]);
  await settled();
  expect(two.heard).toHaveLength(1);
  release();
  await settled();
  expect(two.heard.at(-1)).toEqual({ type: 'elsewhere', status: null });
});
