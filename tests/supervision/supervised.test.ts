/** A worker that dies, is missing, loops or gets nowhere is noticed, ended and started again; time that says nothing does not count. */
import { describe, expect, it } from 'vitest';
import { browserBody, GaveUpError, LIMITS, Restarts, Supervised, TICK, WorkerFailedError } from '../../src/supervision';
import { delivered, fakeWorker, HandClock, type FakeWorker } from './byHand';

/** Calls of a worker that settle when they are told to. */
function scripted() {
  const calls: { resolve: (value: string) => void; reject: (error: Error) => void }[] = [];
  const api = {
    work: (_what: string) => new Promise<string>((resolve, reject) => void calls.push({ resolve, reject })),
    quick: (what: string) => what.toUpperCase(),
  };
  return { api, calls };
}

function setUp(start?: (n: number) => FakeWorker) {
  const clock = new HandClock();
  const { api, calls } = scripted();
  const workers: FakeWorker[] = [];
  const failures: WorkerFailedError[] = [];
  const supervised = new Supervised<typeof api>({
    name: 'engine',
    clock,
    start: () => {
      const worker = start?.(workers.length) ?? fakeWorker(() => api);
      workers.push(worker);
      return worker;
    },
    onFailure: (error) => failures.push(error),
  });
  const call = (what = 'x') => {
    const asked = supervised.call((remote) => remote.work(what));
    asked.catch(() => {});
    return asked;
  };
  return { clock, calls, workers, failures, supervised, call };
}

describe('a supervised worker', () => {
  it('is started for the first call and answers it', async () => {
    const { supervised, workers, failures, clock } = setUp();
    expect(workers).toHaveLength(0);
    expect(await supervised.call((remote) => remote.quick('yes'))).toBe('YES');
    await clock.pass(10 * LIMITS.stalled);
    expect([workers.length, failures.length, supervised.alive]).toEqual([1, 0, true]);
    supervised.end();
  });

  it('that loops is silent: it is ended, whoever waits is told, and the next call starts another', async () => {
    const { clock, call, workers, failures, supervised } = setUp();
    const asked = call();
    await delivered();
    workers[0]!.mute();
    await clock.pass(LIMITS.silent - TICK);
    expect(failures).toEqual([]);
    await clock.pass(2 * TICK);
    await expect(asked).rejects.toMatchObject({ fault: 'silent', worker: 'engine' });
    await expect(asked).rejects.toThrow('did not answer for 15 seconds');
    expect(workers[0]!.ended).toBe(true);
    expect(await supervised.call((remote) => remote.quick('again'))).toBe('AGAIN');
    expect(workers).toHaveLength(2);
    supervised.end();
  });

  it('that answers but gets nowhere is stalled; every part of its work that is done gives it time', async () => {
    const { clock, call, workers, failures, calls, supervised } = setUp();
    const asked = call();
    for (let part = 0; part < 3; part++) {
      await clock.pass(LIMITS.stalled - 10 * TICK);
      workers[0]!.heart.worked();
      await clock.pass(5 * TICK);
    }
    expect(failures).toEqual([]);
    calls[0]!.resolve('done');
    expect(await asked).toBe('done');
    const stuck = call();
    await clock.pass(LIMITS.stalled + TICK);
    await expect(stuck).rejects.toMatchObject({ fault: 'stalled' });
    supervised.end();
  });

  it('may wait as long as it likes for somebody else', async () => {
    const { clock, call, workers, failures, supervised } = setUp();
    void call();
    await delivered();
    const goOn = workers[0]!.heart.rest();
    // The caller waits as well: the progress is its own to tell.
    const telling = setInterval(() => supervised.progress());
    await clock.pass(LIMITS.stalled / 2);
    goOn();
    clearInterval(telling);
    expect(failures).toEqual([]);
    supervised.end();
  });

  it('has a limit for a call that has one, whatever its progress', async () => {
    const { clock, supervised, workers } = setUp();
    const asked = supervised.call((remote) => remote.work('x'), 3_000);
    asked.catch(() => {});
    await delivered();
    for (let i = 0; i < 8; i++) {
      workers[0]!.heart.worked();
      await clock.pass(TICK);
    }
    await expect(asked).rejects.toMatchObject({ fault: 'late' });
    await expect(asked).rejects.toThrow('longer than 3 seconds');
  });

  it('that never comes back from its very first call has started, and that call’s limit holds', async () => {
    const { clock, supervised } = setUp(() => {
      const worker = fakeWorker(() => ({ work: () => (worker.mute(), new Promise(() => {})) }));
      return worker;
    });
    const asked = supervised.call((remote) => remote.work('x'), 3_000);
    asked.catch(() => {});
    await clock.pass(3_000 + TICK);
    await expect(asked).rejects.toMatchObject({ fault: 'late' });
  });

  it('whose script is missing or fails at once is not started, and says what the browser said', async () => {
    const { call, workers, failures } = setUp(() => fakeWorker(null));
    const asked = call();
    workers[0]!.onTrouble('404', false);
    await expect(asked).rejects.toMatchObject({ fault: 'not-started' });
    await expect(asked).rejects.toThrow('The engine could not be started (404)');
    expect(failures).toHaveLength(1);
  });

  it('that never answers for the first time has not started', async () => {
    const { clock, call } = setUp(() => fakeWorker(null));
    const asked = call();
    await clock.pass(LIMITS.start + TICK);
    await expect(asked).rejects.toMatchObject({ fault: 'not-started' });
  });

  it('cannot be made at all: that is said, too', async () => {
    const { call } = setUp(() => {
      throw new Error('blocked by a policy');
    });
    await expect(call()).rejects.toThrow('could not be started (blocked by a policy)');
  });

  it('that dies is noticed at once; an exception that nobody caught is not its death', async () => {
    const { call, workers, failures, supervised } = setUp();
    const asked = call();
    await delivered();
    workers[0]!.onTrouble('oops', false);
    expect(failures).toEqual([]);
    workers[0]!.onTrouble('exit code 1', true);
    await expect(asked).rejects.toMatchObject({ fault: 'died' });
    await expect(asked).rejects.toThrow('exit code 1');
    supervised.end();
  });

  it('is ended when it does not stop in time, and not when it does', async () => {
    const { clock, call, calls, workers, failures, supervised } = setUp();
    const one = call();
    await delivered();
    supervised.endUnless(one, 1_500);
    calls[0]!.resolve('stopped');
    await one;
    await clock.pass(3_000);
    expect(workers[0]!.ended).toBe(false);
    const two = call();
    supervised.endUnless(two, 1_500);
    await clock.pass(1_500);
    await expect(two).rejects.toMatchObject({ fault: 'ended' });
    expect(failures).toEqual([]);
  });
});

describe('time that does not count', () => {
  it('is that of a hidden tab, and gaps of a frozen or suspended one', async () => {
    const { clock, call, workers, failures, supervised } = setUp();
    void call();
    await delivered();
    workers[0]!.mute();
    clock.visible = false;
    await clock.pass(10 * LIMITS.silent);
    clock.visible = true;
    await clock.freeze(8 * 3_600_000);
    for (let i = 0; i < 20; i++) await clock.freeze(60_000);
    expect(failures).toEqual([]);
    await clock.pass(LIMITS.silent + TICK);
    expect(failures.map(({ fault }) => fault)).toEqual(['silent']);
    supervised.end();
  });

  it('counts in part where timers are late again and again, as on a busy machine', async () => {
    const { clock, call, workers, failures, supervised } = setUp();
    void call();
    await delivered();
    workers[0]!.mute();
    for (let late = 0; late < LIMITS.silent / (2 * TICK) - 1; late++) await clock.freeze(4_000);
    expect(failures).toEqual([]);
    for (let late = 0; late < 2; late++) await clock.freeze(4_000);
    expect(failures.map(({ fault }) => fault)).toEqual(['silent']);
    supervised.end();
  });
});

describe('work that is repeated', () => {
  it('goes on with a new worker, three times at most in a row', async () => {
    const { workers, supervised } = setUp((n) =>
      n === 2 ? fakeWorker(() => ({ quick: () => 'third time' })) : fakeWorker(null),
    );
    const done = supervised.persist((remote) => remote.quick('x'));
    for (let n = 0; n < 2; n++) {
      await delivered();
      workers[n]!.onTrouble('404', false);
    }
    expect(await done).toBe('third time');
    supervised.end();

    const never = setUp(() => fakeWorker(null));
    const given = never.supervised.persist((remote) => remote.quick('x'));
    given.catch(() => {});
    for (let n = 0; n < 4; n++) {
      await delivered();
      never.workers[n]!.onTrouble('404', false);
    }
    await expect(given).rejects.toBeInstanceOf(GaveUpError);
    await expect(given).rejects.toThrow(/404.*started again 3 times/);
    expect(never.workers).toHaveLength(4);
  });

  it('is counted anew once it gets further than ever before', () => {
    const restarts = new Restarts(3);
    expect([5, 5, 5].map((done) => restarts.failed(done))).toEqual([true, true, true]);
    expect(restarts.failed(6)).toBe(true);
    // Back to where it was is no progress.
    expect([2, 6].map((done) => restarts.failed(done))).toEqual([true, true]);
    expect(restarts.failed(6)).toBe(false);
  });
});

describe("a browser's worker", () => {
  it('tells of errors and of messages that cannot be read', () => {
    const worker = { onerror: null, onmessageerror: null, terminate() {}, postMessage() {} } as unknown as Worker;
    const body = browserBody(worker);
    const heard: [string, boolean][] = [];
    body.onTrouble = (detail, fatal) => heard.push([detail, fatal]);
    worker.onerror!({ message: 'Uncaught', preventDefault() {} } as unknown as ErrorEvent);
    worker.onmessageerror!({} as MessageEvent);
    expect(heard).toEqual([
      ['Uncaught', false],
      ['a message could not be read', true],
    ]);
  });
});
