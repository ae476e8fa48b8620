/** How far a download is, and how long it will take. */
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

/** Counts bytes and reports at most ten times a second, and whenever the phase changes. */
export class ProgressMeter {
  private phase: DownloadProgress['phase'] = 'download';
  private done = 0;
  private total = 0;
  private samples: { at: number; done: number }[] = [];
  private reported = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly report: (progress: DownloadProgress) => void,
  ) {}

  /** Starts a phase at a known place. */
  start(phase: DownloadProgress['phase'], done: number, total: number): void {
    this.phase = phase;
    this.done = done;
    this.total = total;
    this.samples = [{ at: this.clock.now(), done }];
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
    }
  }

  /** Nothing comes for now. */
  waiting(): void {
    if (this.phase !== 'download') return;
    this.phase = 'waiting';
    this.send();
  }

  private send(): void {
    const now = this.clock.now();
    this.reported = now;
    this.samples.push({ at: now, done: this.done });
    // One sample older than the window stays, so that the window is always covered.
    while (this.samples.length > 2 && now - (this.samples[1] as { at: number }).at > WINDOW_MS) this.samples.shift();
    const first = this.samples[0] as { at: number; done: number };
    const seconds = (now - first.at) / 1000;
    const speed = seconds > 0.5 && this.done > first.done ? (this.done - first.done) / seconds : null;
    this.report({
      phase: this.phase,
      doneBytes: this.done,
      totalBytes: this.total,
      bytesPerSecond: speed,
      secondsLeft: speed === null ? null : (this.total - this.done) / speed,
    });
  }
}
