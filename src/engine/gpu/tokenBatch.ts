/** Tokens on the host, to be run as one batch: `count` of each array are in use. */
export class TokenBatch {
  count = 0;
  readonly ids: Uint32Array;
  readonly row: Uint32Array;
  readonly pos: Uint32Array;
  readonly slot: Uint32Array;

  constructor(readonly capacity: number) {
    this.ids = new Uint32Array(capacity);
    this.row = new Uint32Array(capacity);
    this.pos = new Uint32Array(capacity);
    this.slot = new Uint32Array(capacity);
  }

  get room(): number {
    return this.capacity - this.count;
  }

  clear(): void {
    this.count = 0;
  }

  add(id: number, row: number, pos: number, slot: number): void {
    this.ids[this.count] = id;
    this.row[this.count] = row;
    this.pos[this.count] = pos;
    this.slot[this.count] = slot;
    this.count++;
  }
}
