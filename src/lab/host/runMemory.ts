/** What the page has to know of the run at work to bring it back when the lab that works on it is gone. */
import type { RunRecord } from '../../store/types';
import type { EngineChoice, LabMessage, LabStatus } from '../types';

const NOTHING: LabStatus = { state: 'idle', runId: null, activity: null, progress: 0, secondsLeft: null, engine: null };

/** The lab does nothing. */
export const IDLE: LabMessage = { type: 'status', status: NOTHING };

export class RunMemory {
  /** On what the run computes. */
  choice: EngineChoice = 'auto';
  /** The visitor has asked to stop. */
  stopping = false;
  #runId = '';
  #record: RunRecord | null = null;
  #status = NOTHING;
  #events = 0;

  /** A run was started or resumed. */
  begin(record: RunRecord): void {
    if (this.#runId !== record.id) this.#events = 0;
    this.#runId = record.id;
    this.#record = record;
    this.#events = Math.max(this.#events, record.events);
  }

  hear(message: LabMessage): void {
    if (message.type === 'run') {
      if (message.run.id === this.#runId) this.#record = message.run;
    } else if (message.type === 'status') {
      const { runId, state } = message.status;
      this.#status = message.status;
      if (state !== 'idle' && runId !== null && runId !== this.#runId) {
        this.#runId = runId;
        this.#events = 0;
      }
    } else if (message.type === 'events' && message.runId === this.#runId)
      this.#events = Math.max(this.#events, message.from + message.events.length);
  }

  /** Of the run at work, or the last one; '' before the first. */
  get runId(): string {
    return this.#runId;
  }

  get atWork(): boolean {
    return this.#status.state !== 'idle' && this.#runId !== '';
  }

  get paused(): boolean {
    return this.#status.state === 'paused' || this.#status.state === 'pausing';
  }

  /** The longest that its log ever was; 0 while nothing is at work. */
  get events(): number {
    return this.atWork ? this.#events : 0;
  }

  /** What is said of the run before its lab is there again to record how it ended; nothing when it is not known. */
  ended(status: 'stopped' | 'failed', reason: string | null): LabMessage[] {
    const record = this.#record;
    if (record?.id !== this.#runId) return [];
    return [{ type: 'run', run: { ...record, status, error: reason } }];
  }

  /** What is said while a new lab is started for it. */
  startingAgain(): LabMessage {
    const activity = { kind: 'preparing', what: 'Starting the lab again' } as const;
    const status: LabStatus = { ...this.#status, state: 'loading', runId: this.#runId, activity, secondsLeft: null };
    return { type: 'status', status };
  }
}
