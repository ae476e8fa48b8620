/**
 * One lane of the exact engine: passes over WebAssembly kernels in this thread. Its memory is planned, not grown: what needs more
 * than was planned (a longest sequence to train, another adapter) moves to a larger memory before it begins.
 */
import type {
  AdapterId,
  AdapterWeights,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  ModelConfig,
  Projection,
  ScoreRequest,
} from '../types';
import {
  LocalCompute,
  type Compute,
  type ComputeOptions,
  type GradientWork,
  type UseGradient,
  type UseGrams,
} from '../reference/compute';
import type { FrozenTensor, FrozenWeights } from '../reference/packedTensor';
import { mostParts } from '../mixture';
import type { RowSource, RowWatch } from '../reference/generate';
import { Arena } from './arena';
import { makeKernels } from './kernels';
import { adapterBytes, gramBytes, modelBytes, passBytes, rowBytes, type PassSize } from './room';
import { WasmArithmetic } from './wasmArithmetic';

/** Room for adapters from the start: of this many on every projection, of this rank. */
const FIRST_ADAPTERS = 4;
const FIRST_RANK = 16;

export class WasmCompute implements Compute {
  private readonly config: ModelConfig;
  private readonly adapters = new Map<AdapterId, AdapterWeights>();
  /** Of lanes before this memory. */
  private saturatedBefore = 0;
  private arena!: Arena;
  private local!: LocalCompute;

  private constructor(
    private weights: FrozenWeights,
    private options: ComputeOptions,
  ) {
    this.config = weights.config;
  }

  /** The weights are copied. @throws MemoryPlanError when there is no memory for them */
  static async create(weights: FrozenWeights, options: ComputeOptions): Promise<WasmCompute> {
    const compute = new WasmCompute(weights, options);
    await compute.move(FIRST_ADAPTERS * adapterBytes(weights.config, FIRST_RANK) + compute.pass(false));
    return compute;
  }

  get saturated(): number {
    return this.saturatedBefore + this.local.saturated;
  }

  get bytes(): number {
    return this.local.bytes;
  }

  async setAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    const isNew = !this.adapters.has(id) || this.adapters.get(id)?.config.rank !== weights.config.rank;
    if (isNew) await this.reserve(adapterBytes(this.config, weights.config.rank) + this.pass(false));
    this.adapters.set(id, weights);
    await this.local.setAdapter(id, weights);
  }

  async deleteAdapter(id: AdapterId): Promise<void> {
    this.adapters.delete(id);
    await this.local.deleteAdapter(id);
  }

  async generate(requests: readonly GenerateRequest[], options: GenerateOptions): Promise<GenerateResult[]> {
    await this.makeRows(mostParts(requests));
    return this.local.generate(requests, options);
  }

  /** @param parts the most rows that any request takes */
  async generateFrom(source: RowSource, watch: RowWatch, parts: number): Promise<void> {
    await this.makeRows(parts);
    await this.local.generateFrom(source, watch);
  }

  async score(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array[]> {
    await this.reserve(this.pass(false));
    return this.local.score(requests, signal);
  }

  async embed(requests: readonly ScoreRequest[]): Promise<Float32Array[]> {
    await this.reserve(this.pass(false));
    return this.local.embed(requests);
  }

  async reward(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array> {
    await this.reserve(this.pass(false));
    return this.local.reward(requests, signal);
  }

  async grams(requests: readonly ScoreRequest[], projections: readonly Projection[], use: UseGrams): Promise<void> {
    await this.reserve(this.pass(false) + gramBytes(this.config, this.options.maxLength));
    await this.local.grams(requests, projections, use);
  }

  async logits(request: ScoreRequest): Promise<Float32Array> {
    await this.reserve(this.pass(false));
    return this.local.logits(request);
  }

  async gradients(work: readonly GradientWork[], use: UseGradient, signal?: AbortSignal): Promise<void> {
    const tokens = work.reduce((most, { example }) => Math.max(most, example.ids.length), 0);
    await this.reserve(this.pass(true, tokens));
    await this.local.gradients(work, use, signal);
  }

  async dispose(): Promise<void> {
    this.adapters.clear();
    await this.local.dispose();
  }

  /** Bytes of the largest pass of a kind. */
  private pass(training: boolean, tokens = Math.max(this.options.maxRows, this.options.maxLength)): number {
    let rank = FIRST_RANK;
    for (const { config } of this.adapters.values()) rank = Math.max(rank, config.rank);
    const size: PassSize = { tokens, positions: this.options.maxLength, rank, training };
    return passBytes(this.config, size);
  }

  /** Room for a pass of generation, and for all parts of a mixture at once. */
  private async makeRows(parts: number): Promise<void> {
    // Rows get their room when they first decode: adapters that came before may have taken it.
    const missing = Math.max(0, this.options.maxRows - this.local.rows);
    if (parts <= this.options.maxRows)
      return this.reserve(this.pass(false) + missing * rowBytes(this.config, this.options.maxLength));
    this.options = { ...this.options, maxRows: parts };
    await this.move(this.pass(false));
  }

  private async reserve(bytes: number): Promise<void> {
    if (this.arena.left < bytes) await this.move(bytes);
  }

  /** To a memory that has this many bytes beside the model and the adapters at hand. */
  private async move(bytes: number): Promise<void> {
    let held = 0;
    for (const { config } of this.adapters.values()) held += adapterBytes(this.config, config.rank);
    const arena = new Arena(modelBytes(this.weights, this.options) + held + bytes + (1 << 16));
    const arithmetic = new WasmArithmetic(arena, await makeKernels(arena.memory));
    const tensors = new Map<string, FrozenTensor>();
    // From here on the weights lie in this memory alone.
    for (const [name, tensor] of this.weights.tensors) tensors.set(name, arithmetic.hold(tensor));
    this.saturatedBefore += this.local?.saturated ?? 0;
    this.weights = { config: this.config, tensors };
    this.arena = arena;
    this.local = new LocalCompute(arithmetic, this.weights, this.options);
    for (const [id, weights] of this.adapters) await this.local.setAdapter(id, weights);
  }
}
