/**
 * Which of two engines computes a small model: on a GPU, launching kernels can take longer than such a model's arithmetic. Both decode a few
 * rows, and the faster one stays. What was found holds for a session and is no part of a log.
 */
import { DeviceError } from './errors';
import type { Engine, EngineOptions, GenerateRequest, ModelConfig } from './types';
import { parameterCount } from './shapes';

/** Models up to so many parameters are measured; larger ones belong on a GPU. */
const SMALL_MODEL = 4e6;
const ROWS = 24;
const PROMPT = 12;
const NEW_TOKENS = 24;

/** Whether a trial says which engine is faster: the model is small, and has room for the trial's sequences. */
export function isSmall(config: ModelConfig, { maxLength = config.maxPositions }: EngineOptions = {}): boolean {
  return parameterCount(config) <= SMALL_MODEL && maxLength >= PROMPT + NEW_TOKENS;
}

export interface ChosenEngine {
  engine: Engine;
  /** Why it is the exact engine; null where it is WebGPU. */
  reason: string | null;
}

/** Opens the faster of two engines, and remembers by name which one that was. */
export class FasterEngine {
  private readonly known = new Map<string, { isExact: boolean; reason: string | null }>();

  /** @param now milliseconds on a clock that only goes forward */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /**
   * @param about what the choice holds for: the model and what it is opened with
   * @throws what opening WebGPU throws; where the exact engine does not open, WebGPU is taken
   */
  async open(about: string, webgpu: () => Promise<Engine>, exact: () => Promise<Engine>): Promise<ChosenEngine> {
    const before = this.known.get(about);
    if (before) return { engine: await (before.isExact ? exact() : webgpu()), reason: before.reason };
    const onGpu = await webgpu();
    const onProcessor = await exact().catch((error: unknown) => {
      if (error instanceof DeviceError) return null;
      throw error;
    });
    if (onProcessor === null) return this.keep(about, onGpu, null);
    try {
      const [gpu, processor] = [await this.speedOf(onGpu), await this.speedOf(onProcessor)];
      const isFaster = processor > gpu;
      await (isFaster ? onGpu : onProcessor).dispose();
      return this.keep(about, isFaster ? onProcessor : onGpu, isFaster ? reasonOf(processor, gpu, onGpu) : null);
    } catch (error) {
      await Promise.allSettled([onGpu.dispose(), onProcessor.dispose()]);
      throw error;
    }
  }

  private keep(about: string, engine: Engine, reason: string | null): ChosenEngine {
    this.known.set(about, { isExact: reason !== null, reason });
    return { engine, reason };
  }

  /** Tokens a second of the second of two equal generations: the first compiles what it needs. */
  private async speedOf(engine: Engine): Promise<number> {
    const requests = trial(engine.info.config.vocabSize);
    await engine.generate(requests);
    const began = this.now();
    await engine.generate(requests);
    return (1000 * requests.length * NEW_TOKENS) / Math.max(this.now() - began, Number.EPSILON);
  }
}

function trial(vocabSize: number): GenerateRequest[] {
  return Array.from({ length: ROWS }, (_, row) => ({
    ids: Array.from({ length: PROMPT }, (_, t) => (7 * row + 5 * t) % vocabSize),
    adapter: null,
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: NEW_TOKENS, stopIds: [] },
    key: { seed: 0, stream: 0, iteration: 0, agent: 0, problem: row, round: 0 },
  }));
}

function reasonOf(processor: number, gpu: number, { info }: Engine): string {
  const rounded = (speed: number): string => Number(speed.toPrecision(2)).toLocaleString('en');
  return (
    `a short trial of this small model gave ${rounded(processor)} tokens a second on the processor and ` +
    `${rounded(gpu)} on the GPU (${info.device})`
  );
}
