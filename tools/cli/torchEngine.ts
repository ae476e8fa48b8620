/**
 * The engine's contract played by PyTorch in a child process (tools/torch/engine_server.py), for long experiments on a
 * machine whose CPU is its only accelerator. Same recipe, same log, same named draws; not the same floats as WGSL.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DeviceError, RequestError } from '../../src/engine/errors';
import { checkEmbedding, checkExported, checkRewards, refuseLogits, TrainingWatch } from '../../src/engine/finite';
import { noGrams } from '../../src/engine/grams';
import { adapterNames, partsOf } from '../../src/engine/mixture';
import { checkOperation, type Arguments, type OperationName } from '../../src/engine/operations';
import { adapterShapes, checkAdapter, initAdapter } from '../../src/engine/peft';
import type {
  AdapterConfig,
  AdapterId,
  AdapterWeights,
  Engine,
  EngineInfo,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  Grams,
  HostTensor,
  MemoryPlan,
  MixturePart,
  ModelConfig,
  OptimiserState,
  Projection,
  ScoreRequest,
  TrainJob,
  TrainStepEvent,
  TrainTrack,
} from '../../src/engine/types';

/** Tensors as base64 of little-endian f32, row-major. */
type WireTensors = Record<string, string>;
/** A number that JSON has no word for comes as text. */
type WireNumber = number | string;
interface WireEvent {
  step: number;
  tracks: {
    adapter: AdapterId;
    loss: WireNumber;
    gradNorm: WireNumber;
    lr: number;
    tokens: number;
    /** Largest magnitude among the updated weights. */
    peak: WireNumber;
    /** Loss and gradient norm after the last step, where the weights are doubtful. */
    again: [WireNumber, WireNumber] | null;
  }[];
}
interface Reply {
  id: number;
  error?: string;
  /** With an error: which logits are not finite. */
  place?: { row: number; position: number };
  event?: WireEvent;
  result?: unknown;
}

const WHICH_PYTHON = 'the environment variable POLYLOGUE_PYTHON names a Python that has PyTorch';

export class TorchEngine implements Engine {
  readonly info: EngineInfo;
  private readonly waiting = new Map<number, (reply: Reply) => void>();
  private readonly configs = new Map<AdapterId, AdapterConfig>();
  private nextId = 1;
  private failure: Error | null = null;
  private stderr = '';

  private constructor(
    private readonly child: ChildProcessWithoutNullStreams,
    private readonly config: ModelConfig,
    device: string,
  ) {
    this.info = { kind: 'torch', device, config };
    createInterface({ input: child.stdout }).on('line', (line) => this.receive(line));
    child.stderr.on('data', (chunk) => (this.stderr = (this.stderr + String(chunk)).slice(-2000)));
    child.on('error', (error) => this.fail(new DeviceError(`PyTorch engine: ${error.message}; ${WHICH_PYTHON}`)));
    child.on('exit', (code) => {
      const cause = this.stderr.trim().split('\n').pop() ?? '';
      const remedy = cause.includes('ModuleNotFoundError') ? `; ${WHICH_PYTHON}` : '';
      this.fail(new DeviceError(`PyTorch engine ended with code ${code}: ${cause}${remedy}`));
    });
  }

  /** Starts Python (env POLYLOGUE_PYTHON, default python3) on a model folder. */
  static async start(modelDir: string, config: ModelConfig): Promise<TorchEngine> {
    const script = fileURLToPath(new URL('../torch/engine_server.py', import.meta.url));
    const python = process.env['POLYLOGUE_PYTHON'] ?? 'python3';
    const engine = new TorchEngine(spawn(python, [script], { stdio: 'pipe' }), config, 'PyTorch on the CPU');
    await engine.call({ cmd: 'load', dir: modelDir });
    return engine;
  }

  async generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<GenerateResult[]> {
    this.check('generate', [requests]);
    options.signal?.throwIfAborted();
    const wire = requests.map((request) => ({
      ids: Array.from(request.ids),
      adapter: request.adapter,
      ...(request.mixture && request.mixture.length > 1
        ? { mixture: partsOf(request) }
        : { adapter: (partsOf(request)[0] as MixturePart).adapter }),
      ...request.sampling,
      key: request.key,
    }));
    const call = this.call({ cmd: 'generate', requests: wire }, ({ row, position }) => {
      const what = `the logits of token ${position + 1} of the completion are not finite`;
      const request = requests[row];
      refuseLogits(request ? adapterNames(request) : null, row, position, what);
    });
    const results = (await call) as GenerateResult[];
    results.forEach((result, row) => {
      options.onTokens?.(row, result.ids);
      options.onRow?.(row, result);
    });
    return results;
  }

  async score(requests: ScoreRequest[]): Promise<Float32Array[]> {
    this.check('score', [requests]);
    const wire = requests.map((request) => ({ ids: Array.from(request.ids), adapter: request.adapter }));
    const call = this.call({ cmd: 'score', requests: wire }, ({ row, position }) => {
      refuseLogits(
        requests[row]?.adapter ?? null,
        row,
        position,
        `the logits after position ${position} are not finite`,
      );
    });
    const results = (await call) as number[][];
    return results.map((row) => Float32Array.from(row));
  }

  async embed(requests: ScoreRequest[]): Promise<Float32Array[]> {
    this.check('embed', [requests]);
    const wire = requests.map((request) => ({ ids: Array.from(request.ids), adapter: request.adapter }));
    const results = (await this.call({ cmd: 'embed', requests: wire })) as number[][];
    return results.map((values, row) => checkEmbedding(requests[row]?.adapter ?? null, row, Float32Array.from(values)));
  }

  async grams(requests: ScoreRequest[], projections: readonly Projection[]): Promise<Grams> {
    this.check('grams', [requests, projections]);
    throw noGrams('torch');
  }

  async reward(requests: ScoreRequest[]): Promise<Float32Array> {
    this.check('reward', [requests]);
    const wire = requests.map((request) => ({ ids: Array.from(request.ids), adapter: request.adapter }));
    const rewards = (await this.call({ cmd: 'reward', requests: wire })) as number[];
    return checkRewards(
      requests.map(({ adapter }) => adapter),
      Float32Array.from(rewards),
    );
  }

  async *train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void> {
    this.check('train', [job]);
    if (job.resume) throw new RequestError('the PyTorch engine cannot continue from an optimiser state');
    const tracks = job.tracks.map((track) => ({
      ...track,
      examples: track.examples.map((e) => ({ ...e, ids: Array.from(e.ids), weights: Array.from(e.weights) })),
    }));
    const totalSteps = Math.max(0, ...tracks.map((track) => track.batches.length));
    const events: WireEvent[] = [];
    const watch = new TrainingWatch(job);
    let finished: Reply | null = null;
    let wake = (): void => {};
    this.send({ cmd: 'train', tracks, optimiser: job.optimiser, objective: job.objective }, (reply) => {
      if (reply.event) events.push(reply.event);
      else finished = reply;
      wake();
    });
    for (;;) {
      const event = events.shift();
      if (event) {
        yield { step: event.step, totalSteps, tracks: watched(watch, event) };
        job.signal?.throwIfAborted();
        continue;
      }
      if (finished) break;
      if (this.failure) throw this.failure;
      await new Promise<void>((resolve) => (wake = resolve));
    }
    const error = (finished as Reply).error;
    if (error) throw new RequestError(`PyTorch engine: ${error}`);
  }

  async createAdapter(id: AdapterId, config: AdapterConfig, seed: number): Promise<void> {
    await this.importAdapter(id, initAdapter(this.config, config, seed));
  }

  async importAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    checkAdapter(this.config, weights, `adapter ${id}`);
    this.configs.set(id, weights.config);
    const { rank, alpha, targets, rslora } = weights.config;
    const config = { r: rank, lora_alpha: rslora ? alpha * Math.sqrt(rank) : alpha, target_modules: targets };
    await this.call({ cmd: 'import', name: id, config, tensors: toWire(weights.tensors) });
  }

  async exportAdapter(id: AdapterId): Promise<AdapterWeights> {
    const config = this.configs.get(id);
    if (!config) throw new RequestError(`there is no adapter "${id}"`);
    const { tensors } = (await this.call({ cmd: 'export', name: id })) as { tensors: WireTensors };
    return checkExported(id, { config, tensors: fromWire(tensors, adapterShapes(this.config, config)) });
  }

  async copyAdapter(from: AdapterId, to: AdapterId): Promise<void> {
    await this.importAdapter(to, await this.exportAdapter(from));
  }

  async deleteAdapter(id: AdapterId): Promise<void> {
    this.configs.delete(id);
    await this.call({ cmd: 'delete', name: id });
  }

  adapters(): AdapterId[] {
    return [...this.configs.keys()];
  }

  logits(_request: ScoreRequest): Promise<Float32Array> {
    return Promise.reject(new RequestError('the PyTorch engine does not give logits'));
  }

  gradients(_track: TrainTrack): Promise<{ loss: number; tensors: Map<string, HostTensor> }> {
    return Promise.reject(new RequestError('the PyTorch engine does not give gradients'));
  }

  optimiserState(_adapter: AdapterId): Promise<OptimiserState | null> {
    return Promise.resolve(null);
  }

  /** Unknown here: PyTorch allocates as it goes. */
  plan(): MemoryPlan {
    return { weights: 0, kvCache: 0, activations: 0, adapters: 0, optimiser: 0, total: 0 };
  }

  dispose(): Promise<void> {
    this.failure ??= new DeviceError('the PyTorch engine was closed');
    this.child.removeAllListeners('exit');
    this.child.kill();
    return Promise.resolve();
  }

  /** @throws RequestError, in the words of every engine */
  private check<N extends OperationName>(name: N, args: Arguments<N>): void {
    const { configs } = this;
    const adapters = {
      has: (id: AdapterId) => configs.has(id),
      get: (id: AdapterId) => ({ config: configs.get(id) as AdapterConfig }),
    };
    checkOperation(name, { vocabSize: this.config.vocabSize, maxLength: this.config.maxPositions, adapters }, args);
  }

  /** @param notFinite throws what is to be said of logits that are not finite */
  private call(
    command: Record<string, unknown>,
    notFinite: (place: { row: number; position: number }) => void = () => {},
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      this.send(command, (reply) => {
        if (this.failure) return reject(this.failure);
        try {
          if (reply.place) notFinite(reply.place);
        } catch (error) {
          return reject(error as Error);
        }
        if (reply.error) reject(new RequestError(`PyTorch engine: ${reply.error}`));
        else resolve(reply.result);
      });
    });
  }

  private send(command: Record<string, unknown>, onReply: (reply: Reply) => void): void {
    const id = this.nextId++;
    this.waiting.set(id, onReply);
    this.child.stdin.write(JSON.stringify({ id, ...command }) + '\n');
  }

  private receive(line: string): void {
    const reply = JSON.parse(line) as Reply;
    const onReply = this.waiting.get(reply.id);
    if (reply.event === undefined) this.waiting.delete(reply.id);
    onReply?.(reply);
  }

  private fail(error: Error): void {
    this.failure ??= error;
    const callbacks = [...this.waiting.values()];
    this.waiting.clear();
    for (const callback of callbacks) callback({ id: 0, error: this.failure.message });
  }
}

/** The events of a step, looked at. @throws NonFiniteError, DeadTrackError */
function watched(watch: TrainingWatch, { step, tracks }: WireEvent): TrainStepEvent['tracks'] {
  const seen = tracks.map(({ adapter, loss, gradNorm, peak }) => ({
    adapter,
    loss: Number(loss),
    gradNorm: Number(gradNorm),
    peak: Number(peak),
  }));
  watch.check(step, seen);
  const again = tracks.flatMap(({ adapter, again }) =>
    again ? [{ adapter, loss: Number(again[0]), gradNorm: Number(again[1]) }] : [],
  );
  watch.checkLast(step, again);
  return seen.map(({ adapter, loss, gradNorm }, i) => {
    const { lr = NaN, tokens = 0 } = tracks[i] ?? {};
    return { adapter, loss, gradNorm, lr, tokens };
  });
}

function toWire(tensors: Map<string, HostTensor>): WireTensors {
  const wire: WireTensors = {};
  for (const [name, { data }] of tensors) {
    wire[name] = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
  }
  return wire;
}

function fromWire(wire: WireTensors, shapes: Map<string, number[]>): Map<string, HostTensor> {
  return new Map(
    Object.entries(wire).map(([name, text]) => {
      const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
      return [name, { shape: shapes.get(name) ?? [bytes.length / 4], data: new Float32Array(bytes.buffer) }];
    }),
  );
}
