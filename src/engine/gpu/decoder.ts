/**
 * The buffers and recorded programs that generation and scoring share: a KV cache with one region per row, a token list of
 * fixed capacity, one set of activations, one block of logits.
 */

import {
  cacheBytes,
  COPY_WORDS,
  decoderBufferSizes,
  MOST_STEPS_PER_READ,
  padRows,
  padTokens,
  SETTINGS_WORDS,
  STATE_WORDS,
  type DecoderSizes,
} from '../buffers';
import { MemoryPlanError } from '../errors';
import { RowContents } from '../prefix';
import type { Projection } from '../types';
import {
  createSharedActivations,
  encodeEmbedding,
  encodeHead,
  encodeLayer,
  type ForwardParts,
  type LayerActivations,
  type TokenList,
} from './forward';
import { NO_SLOT } from './layout';
import { ProgramCache, type Program } from './program';
import { encodeSample, encodeScore } from './vocabulary';

/**
 * Recorded programs that are kept. About 90 serve every padded size with and without adapters; other sets of projections come
 * when adapters of other kinds are loaded.
 */
const MOST_PROGRAMS = 128;
/** Workgroups that copy a row of one layer's cache together. */
const COPY_GROUPS = 16;

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

/** Beginning of a row of the cache to be copied to another row. */
export interface RowCopy {
  row: number;
  to: number;
  /** Tokens. */
  length: number;
}

export class Decoder {
  /** What each row of the cache holds. */
  readonly contents: RowContents;
  /** Tokens whose keys and values were computed before decoding, and those that were taken over from a row that had them. */
  readonly tokensRun = { prefilled: 0, reused: 0 };
  /** Region of the cache that padding writes to; no request ever reads it. */
  readonly idleRow: number;
  /** Token batch to fill for `run`. */
  readonly batch: TokenBatch;
  /** u32: tokens of the batch whose logits are wanted, their targets, rows that decode. */
  private readonly wanted: GPUBuffer;
  private readonly targetIds: GPUBuffer;
  private readonly activeRows: GPUBuffer;
  private readonly tokens: Omit<TokenList, 'count'>;
  private readonly acts: Omit<LayerActivations, 'k' | 'v'>;
  private readonly caches: { k: GPUBuffer; v: GPUBuffer }[];
  private readonly normed: GPUBuffer;
  private readonly gathered: GPUBuffer;
  private readonly logits: GPUBuffer;
  private readonly logprobs: GPUBuffer;
  private readonly weights: GPUBuffer;
  private readonly settings: GPUBuffer;
  private readonly slots: GPUBuffer;
  private readonly state: GPUBuffer;
  private readonly sampled: GPUBuffer;
  private readonly history: GPUBuffer;
  private readonly copies: GPUBuffer;
  private readonly programs: ProgramCache;

  /** @throws MemoryPlanError when a buffer is larger than the device allows */
  constructor(
    private readonly parts: ForwardParts,
    readonly sizes: DecoderSizes,
    /** Decode steps submitted before the host looks at their tokens; at most MOST_STEPS_PER_READ. */
    readonly stepsPerRead: number,
  ) {
    const { gpu, config } = parts;
    const { maxRows, maxLength, tokens } = sizes;
    if (stepsPerRead > MOST_STEPS_PER_READ) throw new RangeError(`${stepsPerRead} steps before a read`);
    const bytes = decoderBufferSizes(config, sizes);
    const make = (name: keyof typeof bytes): GPUBuffer => gpu.buffer(name, bytes[name]);
    const rows = maxRows + 1;
    this.idleRow = maxRows;
    this.contents = new RowContents(maxRows, maxLength);
    this.programs = new ProgramCache(gpu, MOST_PROGRAMS);
    this.batch = new TokenBatch(tokens);
    const rowBase = Uint32Array.from({ length: rows }, (_, row) => row * maxLength);
    this.tokens = {
      ids: make('ids'),
      row: make('row'),
      pos: make('pos'),
      slot: make('slot'),
      rowBase: make('row base'),
    };
    gpu.write(this.tokens.rowBase, rowBase);
    this.acts = createSharedActivations(gpu, config, parts.adapters.layout.rank, tokens);
    const cache = cacheBytes(config, sizes);
    this.caches = Array.from({ length: config.numLayers }, (_, layer) => ({
      k: gpu.buffer(`keys of layer ${layer} (maxRows, maxLength)`, cache),
      v: gpu.buffer(`values of layer ${layer} (maxRows, maxLength)`, cache),
    }));
    this.wanted = make('wanted tokens');
    this.targetIds = make('target ids');
    this.activeRows = make('active rows');
    this.gathered = make('gathered');
    this.normed = make('final norm');
    this.logits = make('logits (maxRows)');
    this.logprobs = make('log-probabilities');
    this.weights = make('sampling weights (maxRows)');
    this.settings = make('sampling settings');
    this.slots = make('slots of rows');
    gpu.write(this.slots, new Uint32Array(rows).fill(NO_SLOT));
    this.state = make('row states');
    this.copies = make('copies of rows');
    this.sampled = make('sampled');
    this.history = make('sampled in several steps');
  }

  /** Gives a row to a new request: sampling settings [SETTINGS_WORDS], state [STATE_WORDS], adapter slot. */
  setRow(row: number, settings: Uint32Array, state: Uint32Array, slot: number): void {
    const { gpu } = this.parts;
    gpu.write(this.settings, settings, row * SETTINGS_WORDS * 4);
    gpu.write(this.state, state, row * STATE_WORDS * 4);
    gpu.write(this.slots, Uint32Array.of(slot), row * 4);
  }

  /**
   * Queues the layers (all, or the first few) for the tokens in `batch`: their keys and values enter the cache, hidden states
   * are kept.
   */
  run(targets: ReadonlySet<Projection>, layers = this.caches.length): void {
    const { batch } = this;
    const count = padTokens(batch.count);
    while (batch.count < count) batch.add(0, this.idleRow, 0, NO_SLOT);
    const { gpu } = this.parts;
    for (const name of ['ids', 'row', 'pos', 'slot'] as const) {
      gpu.write(this.tokens[name], batch[name].subarray(0, count));
    }
    const record = (program: Program): void => this.recordLayers(program, count, targets, layers);
    this.program(`layers ${layers} ${count} ${list(targets)}`, record).submit();
  }

  /** Queues copies in the cache, at most as many as there are rows; no row is a target and a source, or a target twice. */
  copyRows(copies: readonly RowCopy[]): void {
    if (copies.length === 0) return;
    const lines = padRows(copies.length);
    const words = new Uint32Array(lines * COPY_WORDS);
    copies.forEach(({ row, to, length }, i) => words.set([row, to, length], i * COPY_WORDS));
    this.parts.gpu.write(this.copies, words);
    const { numKvHeads, headDim } = this.parts.config;
    const constants = { WIDTH: numKvHeads * headDim, STEP: COPY_GROUPS };
    const record = (program: Program): void => {
      for (const { k, v } of this.caches) {
        program.add('cache_copy', constants, [this.copies, k, v], [this.sizes.maxLength], [COPY_GROUPS, lines]);
      }
    };
    this.program(`copies ${lines}`, record).submit();
  }

  /** Programs recorded and kept; at most a fixed number. */
  get programCount(): number {
    return this.programs.size;
  }

  /** Samples the next token of `rows` from the hidden states of the batch's tokens `at`; see `Sampled`. */
  async sample(rows: readonly number[], at: readonly number[]): Promise<Uint32Array> {
    const lines = padRows(rows.length);
    this.writePadded(this.activeRows, rows, lines, this.idleRow);
    this.writePadded(this.wanted, at, lines, 0);
    this.program(`sample ${lines}`, (program) => {
      this.recordGather(program, lines);
      encodeHead(this.parts, program, lines, this.gathered, this.normed, this.logits);
      this.recordSample(program, lines);
    }).submit();
    return new Uint32Array(await this.parts.gpu.read(this.sampled, 0, rows.length * STATE_WORDS * 4));
  }

  /**
   * Decodes `steps` tokens (at most stepsPerRead) of `rows`. Result [steps, lines, STATE_WORDS] with lines =
   * padRows(rows.length): id, bits of the log-probability, bits of the margin, index in the completion.
   */
  async decode(rows: readonly number[], steps: number, targets: ReadonlySet<Projection>): Promise<Uint32Array> {
    if (steps > this.stepsPerRead) throw new RangeError(`${steps} steps before a read`);
    const { gpu } = this.parts;
    const lines = padRows(rows.length);
    const bytes = lines * STATE_WORDS * 4;
    this.writePadded(this.activeRows, rows, lines, this.idleRow);
    const program = this.program(`decode ${lines} ${list(targets)}`, (p) => this.recordDecode(p, lines, targets));
    const encoder = gpu.device.createCommandEncoder({ label: 'decode' });
    for (let step = 0; step < steps; step++) {
      program.encode(encoder);
      encoder.copyBufferToBuffer(this.sampled, 0, this.history, step * bytes, bytes);
    }
    gpu.device.queue.submit([encoder.finish()]);
    return new Uint32Array(await gpu.read(this.history, 0, steps * bytes));
  }

  /** Log-probabilities of `targets[i]` after the batch's token `at[i]`; at most sizes.logitsRows of them. */
  async score(at: readonly number[], targets: readonly number[]): Promise<Float32Array> {
    const lines = this.padLines(at.length);
    this.writePadded(this.targetIds, targets, lines, 0);
    this.wantLogits(at, lines);
    this.program(`score ${lines}`, (program) => {
      const shape = { vocabulary: this.parts.config.vocabSize, lines };
      const { logits, targetIds: targets, logprobs } = this;
      encodeScore(this.parts.gpu, program, shape, { logits, targets, logprobs });
    }).submit();
    return new Float32Array(await this.parts.gpu.read(this.logprobs, 0, at.length * 4));
  }

  /** Logits [at.length, V] after the batch's tokens `at`; at most sizes.logitsRows of them. */
  async readLogits(at: readonly number[]): Promise<Float32Array> {
    this.wantLogits(at, this.padLines(at.length));
    const bytes = at.length * this.parts.config.vocabSize * 4;
    return new Float32Array(await this.parts.gpu.read(this.logits, 0, bytes));
  }

  /** Lines of logits to compute for so many that are wanted. */
  private padLines(wanted: number): number {
    return Math.min(padTokens(wanted), this.sizes.logitsRows);
  }

  private wantLogits(at: readonly number[], lines: number): void {
    if (at.length > this.sizes.logitsRows) throw new MemoryPlanError(`${at.length} lines of logits at once`);
    this.writePadded(this.wanted, at, lines, 0);
    this.program(`head ${lines}`, (program) => {
      this.recordGather(program, lines);
      encodeHead(this.parts, program, lines, this.gathered, this.normed, this.logits);
    }).submit();
  }

  private recordDecode(program: Program, lines: number, targets: ReadonlySet<Projection>): void {
    const { ids, row, pos, slot } = this.tokens;
    program.add(
      'decode_prepare',
      {},
      [this.activeRows, this.slots, this.state, ids, row, pos, slot],
      [lines, this.sizes.maxLength],
      [Math.ceil(lines / 64)],
    );
    this.recordLayers(program, lines, targets, this.caches.length);
    encodeHead(this.parts, program, lines, this.acts.out, this.normed, this.logits);
    this.recordSample(program, lines);
  }

  private recordLayers(program: Program, count: number, targets: ReadonlySet<Projection>, layers: number): void {
    const tokens = { ...this.tokens, count };
    encodeEmbedding(this.parts, program, tokens, this.acts.x);
    this.caches.slice(0, layers).forEach((cache, layer) => {
      encodeLayer(this.parts, program, layer, tokens, { ...this.acts, ...cache }, targets);
    });
  }

  private recordGather(program: Program, lines: number): void {
    const { hiddenSize } = this.parts.config;
    const groups: [number, number] = [Math.ceil(hiddenSize / 64), lines];
    program.add('gather_rows', { WIDTH: hiddenSize }, [this.wanted, this.acts.out, this.gathered], [lines], groups);
  }

  private recordSample(program: Program, lines: number): void {
    const { logits, activeRows: rows, settings, state, weights, sampled: results } = this;
    const shape = { vocabulary: this.parts.config.vocabSize, lines };
    encodeSample(this.parts.gpu, program, shape, { logits, rows, settings, state, weights, results });
  }

  private writePadded(buffer: GPUBuffer, values: readonly number[], length: number, padding: number): void {
    const words = new Uint32Array(length).fill(padding);
    words.set(values);
    this.parts.gpu.write(buffer, words);
  }

  private program(key: string, record: (program: Program) => void): Program {
    return this.programs.get(key, record);
  }
}

function list(targets: ReadonlySet<Projection>): string {
  return [...targets].sort().join(' ');
}
