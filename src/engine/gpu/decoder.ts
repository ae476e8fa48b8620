/**
 * The buffers and recorded programs that generation and scoring share: a KV cache with one region per row, a token list of
 * fixed capacity, one set of activations, one block of logits.
 */

import { MemoryPlanError } from '../errors';
import type { ModelConfig, Projection } from '../types';
import {
  createSharedActivations,
  encodeEmbedding,
  encodeHead,
  encodeLayer,
  sharedActivationBytes,
  type ForwardParts,
  type LayerActivations,
  type TokenList,
} from './forward';
import { NO_SLOT } from './layout';
import { Program } from './program';

/** Tokens of one prefill or scoring batch; more give no more speed on the devices tried. */
const BATCH_TOKENS = 512;
/** A block of logits takes at most this many bytes unless the rows decoded together need more. */
const LOGITS_BYTES = 32 << 20;
/** u32 words of one row's sampling settings (`Settings` in sample_tokens.wgsl). */
export const SETTINGS_WORDS = 8;
/** u32 words of one row's state and of one sampled token. */
export const STATE_WORDS = 4;

/** Sizes of what a decoder allocates. */
export interface DecoderSizes {
  maxRows: number;
  maxLength: number;
  /** Tokens of a batch. */
  tokens: number;
  /** Lines of the block of logits. */
  logitsRows: number;
}

export function decoderSizes(config: ModelConfig, maxRows: number, maxLength: number): DecoderSizes {
  const tokens = padTokens(Math.max(BATCH_TOKENS, maxRows));
  const fitting = Math.floor(LOGITS_BYTES / (4 * config.vocabSize));
  return { maxRows, maxLength, tokens, logitsRows: Math.min(tokens, Math.max(padRows(maxRows), fitting)) };
}

/** Bytes that a decoder takes. */
export function decoderBytes(
  config: ModelConfig,
  rank: number,
  sizes: DecoderSizes,
): { kvCache: number; activations: number } {
  const { maxRows, maxLength, tokens, logitsRows } = sizes;
  const cache = (maxRows + 1) * maxLength * config.numKvHeads * config.headDim * 4;
  const logits = logitsRows * (config.vocabSize + config.hiddenSize) * 4 + padRows(maxRows) * config.vocabSize * 4;
  return {
    kvCache: 2 * config.numLayers * cache,
    activations: sharedActivationBytes(config, rank, tokens) + logits,
  };
}

/** Next of the few row counts that programs are recorded for. */
export function padRows(rows: number): number {
  const step = rows <= 64 ? 8 : 32;
  return Math.ceil(rows / step) * step;
}

function padTokens(tokens: number): number {
  const step = tokens <= 128 ? 16 : 64;
  return Math.ceil(tokens / step) * step;
}

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

export class Decoder {
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
  private readonly programs = new Map<string, Program>();

  /** @throws MemoryPlanError when a buffer is larger than the device allows */
  constructor(
    private readonly parts: ForwardParts,
    readonly sizes: DecoderSizes,
    /** Decode steps submitted before the host looks at their tokens. */
    readonly stepsPerRead: number,
  ) {
    const { gpu, config } = parts;
    const { maxRows, maxLength, tokens, logitsRows } = sizes;
    const make = (name: string, elements: number): GPUBuffer => gpu.buffer(name, elements * 4);
    const rows = maxRows + 1;
    const lines = padRows(maxRows);
    this.idleRow = maxRows;
    this.batch = new TokenBatch(tokens);
    const rowBase = Uint32Array.from({ length: rows }, (_, row) => row * maxLength);
    this.tokens = {
      ids: make('ids', tokens),
      row: make('row', tokens),
      pos: make('pos', tokens),
      slot: make('slot', tokens),
      rowBase: gpu.upload('row base', rowBase),
    };
    this.acts = createSharedActivations(gpu, config, parts.adapters.layout.rank, tokens);
    const width = config.numKvHeads * config.headDim;
    this.caches = Array.from({ length: config.numLayers }, (_, layer) => ({
      k: make(`keys of layer ${layer} (maxRows, maxLength)`, rows * maxLength * width),
      v: make(`values of layer ${layer} (maxRows, maxLength)`, rows * maxLength * width),
    }));
    this.wanted = make('wanted tokens', logitsRows);
    this.targetIds = make('target ids', logitsRows);
    this.activeRows = make('active rows', lines);
    this.gathered = make('gathered', logitsRows * config.hiddenSize);
    this.normed = make('final norm', logitsRows * config.hiddenSize);
    this.logits = make('logits (maxRows)', logitsRows * config.vocabSize);
    this.logprobs = make('log-probabilities', logitsRows);
    this.weights = make('sampling weights (maxRows)', lines * config.vocabSize);
    this.settings = make('sampling settings', rows * SETTINGS_WORDS);
    this.slots = gpu.upload('slots of rows', new Uint32Array(rows).fill(NO_SLOT));
    this.state = make('row states', rows * STATE_WORDS);
    this.sampled = make('sampled', lines * STATE_WORDS);
    this.history = make('sampled in several steps', stepsPerRead * lines * STATE_WORDS);
  }

  /** Gives a row to a new request: sampling settings [SETTINGS_WORDS], state [STATE_WORDS], adapter slot. */
  setRow(row: number, settings: Uint32Array, state: Uint32Array, slot: number): void {
    const { gpu } = this.parts;
    gpu.write(this.settings, settings, row * SETTINGS_WORDS * 4);
    gpu.write(this.state, state, row * STATE_WORDS * 4);
    gpu.write(this.slots, Uint32Array.of(slot), row * 4);
  }

  /** Queues the layers for the tokens in `batch`: their keys and values enter the cache, hidden states are kept. */
  run(targets: ReadonlySet<Projection>): void {
    const { batch } = this;
    const count = padTokens(batch.count);
    while (batch.count < count) batch.add(0, this.idleRow, 0, NO_SLOT);
    const { gpu } = this.parts;
    for (const name of ['ids', 'row', 'pos', 'slot'] as const) {
      gpu.write(this.tokens[name], batch[name].subarray(0, count));
    }
    this.program(`layers ${count} ${list(targets)}`, (program) => this.recordLayers(program, count, targets)).submit();
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
    const lanes = this.vocabularyLanes();
    this.program(`score ${lines}`, (program) => {
      const bindings = [this.logits, this.targetIds, this.logprobs];
      program.add('score_tokens', { V: this.parts.config.vocabSize, LANES: lanes }, bindings, [0], [lines]);
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
    this.recordLayers(program, lines, targets);
    encodeHead(this.parts, program, lines, this.acts.out, this.normed, this.logits);
    this.recordSample(program, lines);
  }

  private recordLayers(program: Program, count: number, targets: ReadonlySet<Projection>): void {
    const tokens = { ...this.tokens, count };
    encodeEmbedding(this.parts, program, tokens, this.acts.x);
    this.caches.forEach((cache, layer) => {
      encodeLayer(this.parts, program, layer, tokens, { ...this.acts, ...cache }, targets);
    });
  }

  private recordGather(program: Program, lines: number): void {
    const { hiddenSize } = this.parts.config;
    const groups: [number, number] = [Math.ceil(hiddenSize / 64), lines];
    program.add('gather_rows', { WIDTH: hiddenSize }, [this.wanted, this.acts.out, this.gathered], [lines], groups);
  }

  private recordSample(program: Program, lines: number): void {
    program.add(
      'sample_tokens',
      { V: this.parts.config.vocabSize, LANES: this.vocabularyLanes() },
      [this.logits, this.activeRows, this.settings, this.state, this.weights, this.sampled],
      [lines],
      [lines],
    );
  }

  /** Invocations that share one line of logits. */
  private vocabularyLanes(): number {
    if (this.parts.gpu.isCpu) return 8;
    return this.parts.config.vocabSize < 4096 ? 32 : 256;
  }

  private writePadded(buffer: GPUBuffer, values: readonly number[], length: number, padding: number): void {
    const words = new Uint32Array(length).fill(padding);
    words.set(values);
    this.parts.gpu.write(buffer, words);
  }

  private program(key: string, record: (program: Program) => void): Program {
    let program = this.programs.get(key);
    if (program === undefined) {
      program = new Program(this.parts.gpu, key);
      record(program);
      this.programs.set(key, program);
    }
    return program;
  }
}

function list(targets: ReadonlySet<Projection>): string {
  return [...targets].sort().join(' ');
}
