/**
 * A training step on the device: buffers sized for the largest batch, programs recorded once per batch size and replayed.
 * A step is: clear the gradients; per micro-batch forward, head and loss, backward; then AdamW; then three numbers per
 * track are read back.
 */

import { roundUp } from '../buffers';
import { MemoryPlanError } from '../errors';
import { DEFAULT_MEMORY, type TrainMemory } from '../plan';
import type { OptimiserSettings, Projection } from '../types';
import type { LayerActivations } from './activations';
import { attentionTile } from './attention';
import {
  encodeCrossEntropy,
  encodeLayerBackward,
  encodeTrackLoss,
  TOKEN_TILE,
  type BackwardParts,
  type TrainedPool,
  type TrainedTokens,
} from './backward';
import { layOutBatch, measureBatch, type Batch, type BatchSize, type BatchTrack } from './batch';
import { encodeEmbedding, encodeHead, encodeLayer, encodeNorm, type ForwardParts } from './forward';
import { encodeTallBackward } from './tall';
import { encodeAdamW, encodeGradientNorm, packSteps, type TrackStep } from './optimiser';
import { encodeRmsNormBackward } from './norm';
import { ProgramCache, type Program } from './program';
import { buffersOf, createStepBuffers, tooLarge, type StepBuffers } from './trainBuffers';

/** A batch is padded to the next of about this many sizes, so that few programs are recorded. */
const SIZES = 32;
/** Of these sizes, so many are kept recorded: two programs a layer each. */
const KEPT_SIZES = 16;
/** And the heads, of as many sizes as there are, and the updates. */
const OTHER_PROGRAMS = 64;

/** AdamW's moments of one adapter, laid out as a slot [P]. */
export interface Moments {
  m: Float32Array;
  v: Float32Array;
}

export class TrainDevice {
  private readonly pool: TrainedPool;
  private buffers: StepBuffers | null = null;
  private bufferBytes = 0;
  private readonly programs: ProgramCache;

  private constructor(
    private readonly parts: ForwardParts,
    private readonly memory: TrainMemory,
  ) {
    const { gpu, adapters, config } = parts;
    this.programs = new ProgramCache(gpu, 2 * config.numLayers * KEPT_SIZES + OTHER_PROGRAMS);
    const make = (name: string): GPUBuffer => gpu.buffer(name, adapters.weights.size);
    this.pool = { ...adapters, gradients: make('adapter gradients'), m: make('AdamW m'), v: make('AdamW v') };
  }

  /** Allocates gradients and moments beside the adapters. @throws MemoryPlanError */
  static async create(parts: ForwardParts, memory: TrainMemory = DEFAULT_MEMORY): Promise<TrainDevice> {
    const { gpu } = parts;
    const made: TrainDevice[] = [];
    const error = await gpu.allocate(() => made.push(new TrainDevice(parts, memory)));
    const [device] = made;
    if (device && error === null) return device;
    device?.dispose();
    throw new MemoryPlanError(
      `the device has no ${Math.ceil((3 * parts.adapters.weights.size) / 2 ** 20)} MiB free for gradients and moments of ` +
        `the adapters (${error}); fewer adapters (maxAdapters) or a smaller rank (maxRank) need less`,
    );
  }

  /**
   * Makes room for batches of this size; what was recorded for smaller buffers is dropped.
   * @throws MemoryPlanError when the device has no room, with what would need less
   */
  async reserve(size: BatchSize, tracks: number): Promise<void> {
    const now = this.buffers?.capacity;
    const names = ['tokens', 'targets'] as const;
    if (now && now.tracks >= tracks && names.every((name) => now[name] >= size[name])) return;
    const capacity = {
      tokens: Math.max(size.tokens, now?.tokens ?? 0),
      targets: Math.max(size.targets, now?.targets ?? 0),
      tracks: Math.max(tracks, now?.tracks ?? 0),
    };
    this.free();
    const { gpu, config } = this.parts;
    const limit = gpu.bufferLimit;
    const widest = Math.max(config.hiddenSize, config.intermediateSize, config.numHeads * config.headDim);
    if (capacity.tokens * widest * 4 > limit) {
      throw tooLarge(capacity, `one of its buffers would have ${capacity.tokens * widest * 4} bytes of ${limit}`);
    }
    const before = gpu.bytesAllocated;
    const error = await gpu.allocate(() => {
      this.buffers = createStepBuffers(this.parts, capacity, this.memory);
      this.bufferBytes = gpu.bytesAllocated - before;
    });
    if (error === null) return;
    const bytes = this.bufferBytes;
    this.free();
    throw tooLarge(capacity, `the device has no ${Math.ceil(bytes / 2 ** 20)} MiB free (${error})`);
  }

  /** Size of a batch as `reserve` wants it. */
  measure(tracks: readonly Pick<BatchTrack, 'rows'>[]): BatchSize {
    return measureBatch(tracks, attentionTile(this.parts.gpu));
  }

  /** Begins a step of the adapters in these slots: their gradients and the batch's results are zeroed. */
  beginStep(slots: readonly number[]): void {
    const { gpu, adapters } = this.parts;
    const { results } = this.reserved();
    const bytes = adapters.layout.slotElements * 4;
    const encoder = gpu.device.createCommandEncoder({ label: 'begin training step' });
    for (const slot of slots) encoder.clearBuffer(this.pool.gradients, slot * bytes, bytes);
    encoder.clearBuffer(results);
    gpu.device.queue.submit([encoder.finish()]);
  }

  /**
   * Adds loss and gradients of one micro-batch; every track of the step is in `tracks`, perhaps without rows. `targets`
   * are the projections that any of their adapters has; with `rewards` the weights pull at rewards and not at tokens.
   */
  accumulate(tracks: readonly BatchTrack[], targets: ReadonlySet<Projection>, rewards = false): void {
    const needed = this.measure(tracks);
    if (needed.targets === 0) return;
    const size = this.paddedSize(needed);
    this.upload(layOutBatch(tracks, size, attentionTile(this.parts.gpu)));
    const layers = Array.from({ length: this.parts.config.numLayers }, (_, layer) => layer);
    const batch = `${size.tokens} ${size.tiles} ${tracks.length} ${[...targets].join(' ')}`;
    for (const layer of layers) {
      this.program(`forward ${layer} ${batch}`, (p) => this.recordForward(p, layer, size, targets)).submit();
    }
    if (rewards) {
      const record = (p: Program): void => this.recordRewards(p, size.targets, tracks.length);
      this.program(`rewards ${size.targets} ${tracks.length}`, record).submit();
    } else this.program(`head ${size.targets}`, (p) => this.recordHead(p, size.targets)).submit();
    for (const layer of layers.reverse()) {
      const record = (p: Program): void => this.recordBackward(p, layer, size, tracks.length, targets);
      this.program(`backward ${layer} ${batch}`, record).submit();
    }
  }

  /** Gradient norms, clipping and AdamW; `steps` in the order of the tracks given to `accumulate`. */
  update(steps: readonly TrackStep[], settings: OptimiserSettings): void {
    const { gpu } = this.parts;
    const buffers = this.reserved();
    gpu.write(buffers.steps, packSteps(steps, settings, steps.length));
    const { beta1, beta2, eps } = settings;
    this.program(`update ${steps.length} ${beta1} ${beta2} ${eps}`, (program) => {
      const tokens = this.tokens(0, 0, steps.length);
      encodeGradientNorm(this.pool, tokens, buffers.partials, program);
      encodeAdamW(this.pool, tokens, buffers.steps, settings, program);
    }).submit();
  }

  /** Squared gradient norms of this many tracks into the results, nothing updated. */
  measureGradients(tracks: number): void {
    const { partials } = this.reserved();
    const record = (p: Program): void => encodeGradientNorm(this.pool, this.tokens(0, 0, tracks), partials, p);
    this.program(`norm ${tracks}`, record).submit();
  }

  /** Of each track loss, gradient norm (zero before `update` or `measureGradients`), largest weight as adamw says it. */
  async results(tracks: number): Promise<{ loss: number; gradNorm: number; peak: number }[]> {
    const floats = new Float32Array(await this.parts.gpu.read(this.reserved().results, 0, tracks * 12));
    return Array.from({ length: tracks }, (_, g) => ({
      loss: floats[2 * g] as number,
      gradNorm: Math.sqrt(floats[2 * g + 1] as number),
      peak: floats[2 * tracks + g] as number,
    }));
  }

  /** Gradients [P] of the adapter in this slot. */
  readGradients(slot: number): Promise<Float32Array> {
    return this.readSlot(this.pool.gradients, slot);
  }

  async readMoments(slot: number): Promise<Moments> {
    return { m: await this.readSlot(this.pool.m, slot), v: await this.readSlot(this.pool.v, slot) };
  }

  /** Sets an adapter's moments; null = zeros. */
  writeMoments(slot: number, moments: Moments | null): void {
    const { gpu, adapters } = this.parts;
    const bytes = adapters.layout.slotElements * 4;
    for (const name of ['m', 'v'] as const) {
      if (moments === null) gpu.zero(this.pool[name], slot * bytes, bytes);
      else gpu.write(this.pool[name], moments[name], slot * bytes);
    }
  }

  get bytes(): { activations: number; optimiser: number } {
    return { activations: this.bufferBytes, optimiser: 3 * this.pool.weights.size };
  }

  get programCount(): number {
    return this.programs.size;
  }

  dispose(): void {
    this.free();
    const { gpu } = this.parts;
    for (const buffer of [this.pool.gradients, this.pool.m, this.pool.v]) gpu.destroyBuffer(buffer);
  }

  private upload(batch: Batch): void {
    const { gpu } = this.parts;
    const { list, tiles, positions, targets, tracks } = this.reserved();
    gpu.write(list.ids, batch.ids);
    gpu.write(list.row, batch.row);
    gpu.write(list.pos, batch.pos);
    gpu.write(list.slot, batch.slot);
    gpu.write(list.rowBase, batch.rowBase);
    gpu.write(tiles, batch.tiles);
    gpu.write(positions, batch.positions);
    gpu.write(targets, batch.targets);
    gpu.write(tracks, batch.tracks);
  }

  private recordForward(program: Program, layer: number, size: BatchSize, targets: ReadonlySet<Projection>): void {
    const { list, hidden } = this.reserved();
    const tokens = { ...list, count: size.tokens };
    if (layer === 0) encodeEmbedding(this.parts, program, tokens, hidden[0]);
    encodeLayer(this.parts, program, layer, tokens, this.activations(layer), targets);
  }

  /** Final norm, head and loss of the targets, and back to the gradient by the last layer's output. */
  private recordHead(program: Program, targets: number): void {
    const { gpu, config, weights } = this.parts;
    const { hiddenSize: D, vocabSize: V, rmsNormEps: eps } = config;
    const { head, hidden, positions, gradients, targets: ids, loss } = this.reserved();
    program.clear(gradients.hidden);
    for (let first = 0; first < targets; first += head.block) {
      const count = Math.min(head.block, targets - first);
      const range = { buffer: positions, offset: first * 4, size: count * 4 };
      const groups: [number, number] = [Math.ceil(D / 64), count];
      program.add('gather_rows', { WIDTH: D }, [range, hidden[config.numLayers], head.hidden], [count], groups);
      encodeHead(this.parts, program, count, head.hidden, head.normed, head.logits);
      encodeCrossEntropy(program, { vocabulary: V, first, count }, { logits: head.logits, targets: ids, loss });
      const through = { dy: head.logits, weight: weights.head, dx: head.dNormed, splits: head.splits };
      encodeTallBackward(gpu, program, { tokens: count, ...through });
      const norm = { x: head.hidden, gain: weights.norm, dy: head.dNormed, dx: head.dHidden };
      encodeRmsNormBackward(gpu, program, { rows: count, width: D, eps }, norm, false);
      program.add('scatter_rows', {}, [range, head.dHidden, gradients.hidden], [D], groups);
    }
  }

  /** Final norm and the adapters' heads at the targets, and back to the gradient by the last layer's output. */
  private recordRewards(program: Program, targets: number, trackCount: number): void {
    const { gpu, config, weights } = this.parts;
    const { hiddenSize: D, rmsNormEps: eps } = config;
    const { head, hidden, list, positions, gradients, targets: ids, loss, tracks } = this.reserved();
    const { slotElements, headOffset } = this.pool.layout;
    program.clear(gradients.hidden);
    // The host has the loss from the rewards.
    program.clear(loss);
    for (let first = 0; first < targets; first += head.block) {
      const count = Math.min(head.block, targets - first);
      const range = { buffer: positions, offset: first * 4, size: count * 4 };
      const wide: [number, number] = [Math.ceil(D / 64), count];
      program.add('gather_rows', { WIDTH: D }, [range, hidden[config.numLayers], head.hidden], [count], wide);
      encodeNorm(this.parts, program, count, D, head.hidden, weights.norm, head.normed);
      program.add(
        'reward_backward',
        { WIDTH: D },
        [range, list.slot, ids, this.pool.weights, head.dNormed],
        [first, slotElements, headOffset],
        wide,
      );
      program.add(
        'reward_backward_head',
        { WIDTH: D },
        [tracks, ids, head.normed, this.pool.gradients],
        [first, count, slotElements, headOffset],
        [Math.ceil(D / 64), trackCount],
      );
      const norm = { x: head.hidden, gain: weights.norm, dy: head.dNormed, dx: head.dHidden };
      encodeRmsNormBackward(gpu, program, { rows: count, width: D, eps }, norm, false);
      program.add('scatter_rows', {}, [range, head.dHidden, gradients.hidden], [D], wide);
    }
  }

  private recordBackward(
    program: Program,
    layer: number,
    size: BatchSize,
    tracks: number,
    targets: ReadonlySet<Projection>,
  ): void {
    const { gpu, config, turns, weights } = this.parts;
    const { list, gradients, loss, activations } = this.reserved();
    const tokens = this.tokens(size.tokens, size.tiles, tracks);
    const parts: BackwardParts = { gpu, config, pool: this.pool, tokens, gradients, turns, targets };
    const last = config.numLayers - 1;
    const saved = this.activations(layer);
    if (layer === last) encodeTrackLoss(tokens, program, loss);
    // The only set of activations still holds the last layer's.
    else if (activations.length === 1) {
      encodeLayer(this.parts, program, layer, { ...list, count: size.tokens }, saved, targets);
    }
    encodeLayerBackward(parts, program, layer, weights.layers[layer], saved, layer === 0);
  }

  private activations(layer: number): LayerActivations {
    const { activations, hidden } = this.reserved();
    return { ...activations[layer % activations.length], x: hidden[layer], out: hidden[layer + 1] };
  }

  private tokens(count: number, tileCount: number, trackCount: number): TrainedTokens {
    const { list, tiles, tracks, results } = this.reserved();
    return { count, slot: list.slot, pos: list.pos, tiles, tileCount, trackCount, tracks, results };
  }

  private reserved(): StepBuffers {
    if (this.buffers === null) throw new TypeError('reserve() comes first');
    return this.buffers;
  }

  /** The next of the few sizes that programs are recorded for. */
  private paddedSize(needed: BatchSize): BatchSize {
    const { capacity } = this.reserved();
    const pad = (size: number, most: number): number =>
      Math.min(most, roundUp(size, roundUp(Math.ceil(most / SIZES), TOKEN_TILE)));
    const tokens = pad(needed.tokens, capacity.tokens);
    const tiles = roundUp(needed.tiles + (tokens - needed.tokens) / TOKEN_TILE, 64);
    return { tokens, targets: pad(needed.targets, capacity.targets), tiles };
  }

  private program(key: string, record: (program: Program) => void): Program {
    return this.programs.get(`training ${key}`, record);
  }

  private async readSlot(pool: GPUBuffer, slot: number): Promise<Float32Array> {
    const bytes = this.parts.adapters.layout.slotElements * 4;
    return new Float32Array(await this.parts.gpu.read(pool, slot * bytes, bytes));
  }

  private free(): void {
    this.programs.clear();
    for (const buffer of buffersOf(this.buffers)) this.parts.gpu.destroyBuffer(buffer);
    this.buffers = null;
    this.bufferBytes = 0;
  }
}
