/**
 * A society without a model: every answer and every update is a function of the adapter's state, the draw's name and the
 * prompt. It computes the expression in the prompt and slips now and then, less so after finetuning.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { AdapterConfig, OptimiserSettings, TrainStepEvent } from '../../src/engine/types';
import type { RunEvent } from '../../src/events';
import { drawUniform } from '../../src/random';
import type { ExperimentConfig } from '../../src/recipes/config';
import { multiagentFinetuning } from '../../src/recipes/multiagentFinetuning';
import { resolveConfig } from '../../src/recipes/resolve';
import type { FinetuneTrack, ModelResponse, Question, Society } from '../../src/recipes/types';
import { arithmetic } from '../../src/tasks/arithmetic';
import type { Task } from '../../src/tasks/types';

export class FakeSociety implements Society {
  /** State of each adapter; a fresh one answers like the base. */
  readonly states = new Map<string, string>();
  readonly asked: Question[][] = [];
  readonly finetuned: { tracks: FinetuneTrack[]; optimiser: OptimiserSettings }[] = [];
  readonly created: [name: string, seed: number][] = [];
  /** What a step reports as loss; NaN to diverge. */
  loss = (adapter: string, step: number): number => 1 / (1 + step) + adapter.length / 100;

  ask(questions: Question[]): Promise<ModelResponse[]> {
    this.asked.push(structuredClone(questions));
    return Promise.resolve(questions.map((question) => this.answer(question)));
  }

  async *finetune(tracks: FinetuneTrack[], optimiser: OptimiserSettings): AsyncGenerator<TrainStepEvent, void, void> {
    this.finetuned.push(structuredClone({ tracks, optimiser }));
    const totalSteps = Math.max(0, ...tracks.map(({ batches }) => batches.length));
    for (let step = 0; step < totalSteps; step++) {
      const active = tracks.filter(({ batches }) => batches.length > step);
      for (const { adapter, examples, batches } of active) {
        const batch = batches[step]?.map((index) => examples[index]);
        this.states.set(adapter, `trained ${hash(`${this.state(adapter)} ${JSON.stringify(batch)}`)}`);
      }
      await Promise.resolve();
      yield {
        step,
        totalSteps,
        tracks: active.map(({ adapter }) => ({
          adapter,
          loss: this.loss(adapter, step),
          gradNorm: 0.5,
          lr: 1e-3,
          tokens: 9,
        })),
      };
    }
  }

  createAdapter(name: string, _config: AdapterConfig, seed: number): Promise<void> {
    this.created.push([name, seed]);
    this.states.set(name, `fresh ${seed}`);
    return Promise.resolve();
  }

  adapterHash(name: string): Promise<string> {
    return Promise.resolve(hash(this.state(name)));
  }

  describe() {
    return { model: { name: 'fake', hash: '00' }, engine: 'fake: none' };
  }

  private state(name: string): string {
    const state = this.states.get(name);
    if (state === undefined) throw new Error(`there is no adapter ${name}`);
    return state;
  }

  private answer({ adapter, messages, name }: Question): ModelResponse {
    const state = adapter === null ? 'fresh' : this.state(adapter);
    const trained = state.startsWith('trained');
    const [, a, b, c, d, e, f] = (/^(\d)\+(\d)\*(\d)\+(\d)-(\d)\*(\d)/.exec(messages[0]?.content ?? '') ?? []).map(
      Number,
    ) as [unknown, number, number, number, number, number, number];
    const value = a + b * c + d - e * f;
    // Trained adapters differ from each other by their state.
    const word = trained ? parseInt(state.slice(-8), 16) : 0;
    const luck = drawUniform({ seed: 11 + word, ...name }, 0);
    const text =
      luck < (trained ? 0.6 : 0.45) ? `ok#${value}` : luck < 0.95 ? `slip#${value + (luck < 0.7 ? 1 : 10)}` : 'mumble';
    return { text, finish: 'stop', tokens: text.length, logprobs: [-luck * 1.23456, -0.00001], margins: [luck, 2.005] };
  }
}

export function hash(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

export function smallConfig(overrides: Record<string, string | number> = {}): ExperimentConfig {
  return resolveConfig('arithmetic-tiny', {
    trainProblems: 14,
    evaluationProblems: 10,
    chunk: 4,
    iterations: 2,
    'finetune.batchSize': 4,
    ...overrides,
  });
}

/** The whole log of a run. */
export async function logOf(
  society: Society,
  config: ExperimentConfig,
  task: Task = arithmetic,
  onEvent?: (event: RunEvent) => void,
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of multiagentFinetuning(society, task, config)) {
    events.push(structuredClone(event));
    onEvent?.(event);
  }
  return events;
}
