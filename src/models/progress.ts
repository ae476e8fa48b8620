/** How far a download is, and how long it will take; the time of any other reading of bytes, too. */
import type { Clock } from './retry';

export interface DownloadProgress {
  /** `waiting`: a server or the network asked for patience; `verify`: what is stored is read back and hashed. */
  phase: 'download' | 'waiting' | 'verify' | 'done';
  /** Of this phase. While downloading, what was stored before counts as done. */
  doneBytes: number;
  totalBytes: number;
  /** Over the last seconds; null while too little is known. */
  bytesPerSecond: number | null;
  secondsLeft: number | null;
}

const WINDOW_MS = 10_000;
const REPORT_EVERY_MS = 100;

/** The speed over the last seconds, from how much was done when. */
export class RecentSpeed {
  private readonly samples: { at: number; done: number }[];

  /** @param at milliseconds; only differences count */
  constructor(at: number, done = 0) {
    this.samples = [{ at, done }];
  }

  /** So much is done now. Returns bytes per second; null while too little is known. */
  measure(at: number, done: number): number | null {
    const { samples } = this;
    samples.push({ at, done });
    // One sample older than the window stays, so that the window is always covered.
    while (samples.length > 2 && at - (samples[1] as { at: number }).at > WINDOW_MS) samples.shift();
    const first = samples[0] as { at: number; done: number };
    const seconds = (at - first.at) / 1000;
    return seconds > 0.5 && done > first.done ? (done - first.done) / seconds : null;
  }
}

/** Counts bytes and reports about ten times a second at most, and whenever the phase changes. The last bytes are always reported. */
export class ProgressMeter {
  private phase: DownloadProgress['phase'] = 'download';
  private done = 0;
  private total = 0;
  private speed: RecentSpeed;
  private reported = -Infinity;
  /** Ends the wait for a report of what was added since the last one. */
  private pending: AbortController | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly report: (progress: DownloadProgress) => void,
  ) {
    this.speed = new RecentSpeed(clock.now());
  }

  /** Starts a phase at a known place. */
  start(phase: DownloadProgress['phase'], done: number, total: number): void {
    this.phase = phase;
    this.done = done;
    this.total = total;
    this.speed = new RecentSpeed(this.clock.now(), done);
    this.send();
  }

  /** Bytes more; negative when they have to be fetched again. */
  add(bytes: number): void {
    this.done += bytes;
    if (this.phase === 'waiting') {
      this.phase = 'download';
      this.send();
    } else if (this.clock.now() - this.reported >= REPORT_EVERY_MS) {
      this.send();
    } else {
      this.sendSoon();
    }
  }

  /** Nothing comes for now. */
  waiting(): void {
    if (this.phase !== 'download') return;
    this.phase = 'waiting';
    this.send();
  }

  /** Nothing more is reported of what was added before. */
  stop(): void {
    this.pending?.abort();
    this.pending = null;
  }

  /** Bytes that come between two reports may be the last for long. */
  private sendSoon(): void {
    if (this.pending) return;
    const pending = new AbortController();
    this.pending = pending;
    const wait = REPORT_EVERY_MS - (this.clock.now() - this.reported);
    this.clock.sleep(Math.max(0, wait), pending.signal).then(
      () => this.pending === pending && this.send(),
      () => {},
    );
  }

  private send(): void {
    this.stop();
    const now = this.clock.now();
    this.reported = now;
    const speed = this.speed.measure(now, this.done);
    this.report({
      phase: this.phase,
      doneBytes: this.done,
      totalBytes: this.total,
      bytesPerSecond: speed,
      secondsLeft: speed === null ? null : (this.total - this.done) / speed,
    });
  }
}
