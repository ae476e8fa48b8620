/** A clock that tests move, and workers that behave as they are told. */
import { Heart, serve, TICK, type Body, type SupervisorClock } from '../../src/supervision';

export class HandClock implements SupervisorClock {
  visible = true;
  #now = 0;
  readonly #timers = new Set<{ at: number; each: number; tick: () => void }>();

  now(): number {
    return this.#now;
  }

  counts(): boolean {
    return this.visible;
  }

  every(each: number, tick: () => void): () => void {
    const timer = { at: this.#now + each, each, tick };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /**
   * Lets so many milliseconds pass in steps of a tick; messages are delivered between them.
   * @param real milliseconds that really pass in each, for work that is done beside
   */
  async pass(milliseconds: number, real = 0): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += TICK) {
      this.#now += TICK;
      this.#ring();
      await delivered();
      if (real > 0) await new Promise((resolve) => setTimeout(resolve, real));
    }
  }

  /** The timers stand still for so long, as those of a frozen tab, and ring once afterwards. */
  async freeze(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
    this.#ring();
    await delivered();
  }

  #ring(): void {
    for (const timer of [...this.#timers]) {
      if (timer.at > this.#now) continue;
      timer.at = this.#now + timer.each;
      timer.tick();
    }
  }
}

/** Messages that were posted have arrived. */
export async function delivered(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A worker in the same thread. */
export interface FakeWorker extends Body {
  heart: Heart;
  /** From now on nothing reaches it and nothing comes back, as of one that loops or is gone. */
  mute(): void;
  ended: boolean;
  muted: boolean;
}

/**
 * @param make what it serves; null = its script never gets to serve anything. Ports that it was given otherwise and that are put
 *   into the list fall silent with it
 */
export function fakeWorker(make: ((heart: Heart, ports: MessagePort[]) => object) | null): FakeWorker {
  const listeners: ((event: MessageEvent) => void)[] = [];
  const ports: MessagePort[] = [];
  const heart = new Heart();
  const close = () => ports.splice(0).forEach((port) => port.close());
  const worker: FakeWorker = {
    heart,
    ended: false,
    muted: false,
    onTrouble: () => {},
    post(message, transfer) {
      if (worker.ended) return;
      ports.push(...transfer);
      listeners.forEach((listener) => listener({ data: message } as MessageEvent));
    },
    mute() {
      worker.muted = true;
      close();
    },
    end() {
      worker.ended = true;
      close();
    },
  };
  if (make) serve(make(heart, ports), heart, { addEventListener: (_type, listener) => listeners.push(listener) });
  return worker;
}
