/** The engine's side of one lane: calls with answers, and what is heard meanwhile. */
import { worked } from '../work';
import { arrivedError, type FromLane, type LaneRequest, type StartedLane, type StartLane } from './laneMessages';

/** The lane's thread ended without being asked to: what it was asked is to be asked of another. */
export class LaneEndedError extends Error {}

export class RemoteLane {
  saturated = 0;
  bytes = 0;
  /** What is heard of a generation. */
  onTake: (count: number) => void = () => {};
  onTokens: (tokens: [row: number, ids: number[]][]) => void = () => {};
  onRow: (message: Extract<FromLane, { kind: 'row' }>) => void = () => {};
  private readonly line: StartedLane;
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private calls = 0;
  private ended: LaneEndedError | null = null;

  constructor(start: StartLane) {
    this.line = start();
    this.line.listen((message) => this.hear(message));
    this.line.onEnd((why) => this.fail(new LaneEndedError(why)));
  }

  get isEnded(): boolean {
    return this.ended !== null;
  }

  /** @throws LaneEndedError, and what the lane throws */
  call(request: LaneRequest, transfer?: Transferable[]): Promise<unknown> {
    if (this.ended) return Promise.reject(this.ended);
    const call = this.calls++;
    return new Promise((resolve, reject) => {
      this.waiting.set(call, { resolve, reject });
      this.line.post({ kind: 'call', call, request }, transfer);
    });
  }

  giveRows(rows: Parameters<StartedLane['post']>[0] & { kind: 'rows' }): void {
    if (!this.ended) this.line.post(rows);
  }

  /** What it was asked so far rejects soon. */
  abort(): void {
    if (!this.ended) this.line.post({ kind: 'abort' });
  }

  end(): void {
    this.fail(new LaneEndedError('the engine was closed'));
    this.line.end();
  }

  private hear(message: FromLane): void {
    worked();
    if (message.kind === 'take') this.onTake(message.count);
    else if (message.kind === 'tokens') this.onTokens(message.tokens);
    else if (message.kind === 'row') this.onRow(message);
    else if (message.kind === 'done' || message.kind === 'failed') {
      const waiting = this.waiting.get(message.call);
      this.waiting.delete(message.call);
      if (message.kind === 'failed') waiting?.reject(arrivedError(message.error));
      else {
        this.saturated = message.saturated;
        this.bytes = message.bytes;
        waiting?.resolve(message.value);
      }
    }
  }

  private fail(error: LaneEndedError): void {
    if (this.ended) return;
    this.ended = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
