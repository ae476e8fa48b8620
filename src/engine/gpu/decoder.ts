/**
 * The recorded programs that generation and scoring share, over a KV cache with one region per row, a token list of fixed
 * capacity, one set of activations and one block of logits.
 */

import {
  COPY_WORDS,
  FEW_TOKENS,
  MOST_STEPS_PER_READ,
  padRows,
  padTokens,
  SATURATED_BYTES,
  segmentsOf,
  SETTINGS_WORDS,
  STATE_WORDS,
  type DecoderSizes,
} from '../buffers';
import { MemoryPlanError } from '../errors';
import { RowContents } from '../prefix';
import type { Projection } from '../types';
import { Commands } from './commands';
import { createDecoderBuffers, type DecoderBuffers } from './decoderBuffers';
import { encodeEmbedding, encodeHead, encodeNorm, encodeLayer, type ForwardParts } from './forward';
import { encodeFewTokens, fewTokens } from './fewTokens';
import { NO_SLOT } from './layout';
import { ProgramCache, type Program } from './program';
import { TokenBatch } from './tokenBatch';
import { encodeMix, encodeSample, encodeScore } from './vocabulary';

/**
 * Recorded programs that are kept. About 90 serve every padded size with and without adapters; other sets of projections come
 * when adapters of other kinds are loaded.
 */
const MOST_PROGRAMS = 128;
/** Workgroups that copy a row of one layer's cache together. */
const COPY_GROUPS = 16;

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
  private readonly buffers: DecoderBuffers;
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
    this.idleRow = maxRows;
    this.contents = new RowContents(maxRows, maxLength);
    this.programs = new ProgramCache(gpu, MOST_PROGRAMS);
    this.batch = new TokenBatch(tokens);
    this.buffers = createDecoderBuffers(gpu, config, parts.adapters.layout.rank, sizes);
  }

  /** Gives a row to a new request: sampling settings [SETTINGS_WORDS], state [STATE_WORDS], adapter slot. */
  setRow(row: number, settings: Uint32Array, state: Uint32Array, slot: number): void {
    const { gpu } = this.parts;
    gpu.write(this.buffers.settings, settings, row * SETTINGS_WORDS * 4);
    gpu.write(this.buffers.state, state, row * STATE_WORDS * 4);
    gpu.write(this.buffers.slots, Uint32Array.of(slot), row * 4);
  }

  /**
   * Queues the layers (all, or the first few) for the tokens in `batch`: their keys and values enter the cache, hidden states
   * are kept.
   */
  run(targets: ReadonlySet<Projection>, layers = this.buffers.caches.length): void {
    const { batch } = this;
    const count = padTokens(batch.count);
    while (batch.count < count) batch.add(0, this.idleRow, 0, NO_SLOT);
    const { gpu } = this.parts;
    for (const name of ['ids', 'row', 'pos', 'slot'] as const) {
      gpu.write(this.buffers.tokens[name], batch[name].subarray(0, count));
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
    this.parts.gpu.write(this.buffers.copies, words);
    const { numKvHeads, headDim } = this.parts.config;
    const perWord = this.sizes.cache === 'f16' ? 2 : 1;
    const constants = { WIDTH: (numKvHeads * headDim) / perWord, STEP: COPY_GROUPS };
    const record = (program: Program): void => {
      for (const { k, v } of this.buffers.caches) {
        program.add('cache_copy', constants, [this.buffers.copies, k, v], [this.sizes.maxLength], [COPY_GROUPS, lines]);
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
    this.writePadded(this.buffers.activeRows, rows, lines, this.idleRow);
    this.writePadded(this.buffers.wanted, at, lines, 0);
    this.program(`sample ${lines}`, (program) => {
      this.recordGather(program, lines);
      encodeHead(this.parts, program, lines, this.buffers.gathered, this.buffers.normed, this.buffers.logits);
      this.recordSample(program, lines);
    }).submit();
    return new Uint32Array(await this.parts.gpu.read(this.buffers.sampled, 0, rows.length * STATE_WORDS * 4));
  }

  /**
   * Queues `steps` decode steps (at most stepsPerRead) of `rows`; `sampledInSteps` has what they sample, to be asked for before the
   * next are queued. With `mixes` some of the rows are the parts of mixtures, which stand side by side; the first one's line has
   * the mixture's result.
   * @param keys that a row attends to in the last step, at most
   */
  decode(rows: readonly number[], steps: number, targets: ReadonlySet<Projection>, keys: number, mixes = false): void {
    if (steps > this.stepsPerRead) throw new RangeError(`${steps} steps before a read`);
    const { gpu } = this.parts;
    const lines = padRows(rows.length);
    const bytes = lines * STATE_WORDS * 4;
    this.writePadded(this.buffers.activeRows, rows, lines, this.idleRow);
    // More rows keep a device busy as they are.
    const segments = lines > FEW_TOKENS ? 0 : segmentsOf(Math.min(keys, this.sizes.maxLength));
    const key = `${mixes ? 'mix' : 'decode'} ${lines} ${segments} ${list(targets)}`;
    const program = this.program(key, (p) => this.recordDecode(p, lines, targets, segments, mixes));
    const { sampled, history } = this.buffers;
    const commands = new Commands(gpu.device, 'decode');
    for (let step = 0; step < steps; step++) {
      program.encode(commands);
      commands.outside((encoder) => encoder.copyBufferToBuffer(sampled, 0, history, step * bytes, bytes));
      // A GPU begins with a step while the next is encoded.
      if (!gpu.isCpu) commands.submit();
    }
    commands.submit();
  }

  /**
   * What the steps queued last have sampled: [steps, lines, STATE_WORDS] with lines = padRows(rows): id, bits of the log-probability,
   * bits of the margin, index in the completion. Steps that are queued after the call do not change it.
   */
  async sampledInSteps(rows: number, steps: number): Promise<Uint32Array> {
    const bytes = steps * padRows(rows) * STATE_WORDS * 4;
    return new Uint32Array(await this.parts.gpu.read(this.buffers.history, 0, bytes));
  }

  /** Steps should be queued before it is known what the ones before have sampled: the device would wait for the host otherwise. */
  get runsAhead(): boolean {
    return !this.parts.gpu.isCpu;
  }

  /** Log-probabilities of `targets[i]` after the batch's token `at[i]`; at most sizes.logitsRows of them. */
  async score(at: readonly number[], targets: readonly number[]): Promise<Float32Array> {
    const lines = this.padLines(at.length);
    this.writePadded(this.buffers.targetIds, targets, lines, 0);
    this.wantLogits(at, lines);
    this.program(`score ${lines}`, (program) => {
      const shape = { vocabulary: this.parts.config.vocabSize, lines };
      const { logits, targetIds: targets, logprobs } = this.buffers;
      encodeScore(this.parts.gpu, program, shape, { logits, targets, logprobs });
    }).submit();
    return new Float32Array(await this.parts.gpu.read(this.buffers.logprobs, 0, at.length * 4));
  }

  /** Logits [at.length, V] after the batch's tokens `at`; at most sizes.logitsRows of them. */
  async readLogits(at: readonly number[]): Promise<Float32Array> {
    this.wantLogits(at, this.padLines(at.length));
    const bytes = at.length * this.parts.config.vocabSize * 4;
    return new Float32Array(await this.parts.gpu.read(this.buffers.logits, 0, bytes));
  }

  /** Hidden states [at.length, D] after the final norm, of the batch's tokens `at`; at most sizes.logitsRows of them. */
  async readHidden(at: readonly number[]): Promise<Float32Array> {
    const lines = this.padLines(at.length);
    this.writePadded(this.buffers.wanted, at, lines, 0);
    const { hiddenSize } = this.parts.config;
    this.program(`hidden ${lines}`, (program) => {
      this.recordGather(program, lines);
      const { gathered, normed } = this.buffers;
      encodeNorm(this.parts, program, lines, hiddenSize, gathered, this.parts.weights.norm, normed);
    }).submit();
    return new Float32Array(await this.parts.gpu.read(this.buffers.normed, 0, at.length * hiddenSize * 4));
  }

  /** Numbers among keys and values that were too large for f16 since the last call. */
  async takeSaturated(): Promise<number> {
    if (this.sizes.cache !== 'f16') return 0;
    const { gpu, saturated } = this.parts;
    const [count = 0] = new Uint32Array(await gpu.read(saturated, 0, SATURATED_BYTES));
    if (count > 0) gpu.write(saturated, Uint32Array.of(0));
    return count;
  }

  /** Lines of logits to compute for so many that are wanted. */
  private padLines(wanted: number): number {
    return Math.min(padTokens(wanted), this.sizes.logitsRows);
  }

  private wantLogits(at: readonly number[], lines: number): void {
    if (at.length > this.sizes.logitsRows) throw new MemoryPlanError(`${at.length} lines of logits at once`);
    this.writePadded(this.buffers.wanted, at, lines, 0);
    this.program(`head ${lines}`, (program) => {
      this.recordGather(program, lines);
      encodeHead(this.parts, program, lines, this.buffers.gathered, this.buffers.normed, this.buffers.logits);
    }).submit();
  }

  private recordDecode(
    program: Program,
    lines: number,
    targets: ReadonlySet<Projection>,
    segments: number,
    mixes: boolean,
  ): void {
    const { ids, row, pos, slot } = this.buffers.tokens;
    program.add(
      'decode_prepare',
      {},
      [this.buffers.activeRows, this.buffers.slots, this.buffers.state, ids, row, pos, slot],
      [lines, this.sizes.maxLength],
      [Math.ceil(lines / 64)],
    );
    this.recordLayers(program, lines, targets, this.buffers.caches.length, segments);
    encodeHead(this.parts, program, lines, this.buffers.acts.out, this.buffers.normed, this.buffers.logits);
    if (mixes) {
      const { logits, activeRows: rows, settings } = this.buffers;
      const shape = { vocabulary: this.parts.config.vocabSize, lines };
      encodeMix(this.parts.gpu, program, shape, { logits, rows, settings });
    }
    this.recordSample(program, lines);
  }

  /** @param segments that each token's keys are split in; 0 = they are not */
  private recordLayers(
    program: Program,
    count: number,
    targets: ReadonlySet<Projection>,
    layers: number,
    segments = 0,
  ): void {
    const tokens = { ...this.buffers.tokens, count };
    encodeEmbedding(this.parts, program, tokens, this.buffers.acts.x);
    const { maxLength } = this.sizes;
    const split = segments === 0 ? null : { ...this.buffers.split, segments };
    const list = { ...tokens, maxLength, lastRow: this.idleRow, split };
    const few = fewTokens(this.parts, count);
    this.buffers.caches.slice(0, layers).forEach((cache, layer) => {
      const acts = { ...this.buffers.acts, ...cache };
      if (few) encodeFewTokens(this.parts, program, layer, list, acts, targets);
      else encodeLayer(this.parts, program, layer, tokens, acts, targets);
    });
  }

  private recordGather(program: Program, lines: number): void {
    const { hiddenSize } = this.parts.config;
    const groups: [number, number] = [Math.ceil(hiddenSize / 64), lines];
    program.add(
      'gather_rows',
      { WIDTH: hiddenSize },
      [this.buffers.wanted, this.buffers.acts.out, this.buffers.gathered],
      [lines],
      groups,
    );
  }

  private recordSample(program: Program, lines: number): void {
    const { logits, activeRows: rows, settings, state, weights, parts, sampled: results } = this.buffers;
    const shape = { vocabulary: this.parts.config.vocabSize, lines };
    encodeSample(this.parts.gpu, program, shape, { logits, rows, settings, state, weights, parts, results });
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
