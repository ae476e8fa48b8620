/**
 * A runtime for the runner's tests that needs no model, yet has a memory: what an adapter answers depends on everything it
 * was ever finetuned on. A resumed run with a wrong or stale adapter therefore gives another log.
 */
import { ENGINE_CAPABILITIES } from '../../src/runtimes/capabilities';
import { callName } from '../../src/events';
import type { AdapterConfig, AdapterWeights, TrainStepEvent } from '../../src/engine/types';
import { hashAdapter } from '../../src/log/digest';
import { drawUint } from '../../src/random';
import type {
  Answer,
  MergedAdapter,
  MergeJob,
  Question,
  Runtime,
  RuntimeCapabilities,
  RuntimeIdentity,
  ScoreQuestion,
  TrainingJob,
} from '../../src/runtimes/types';

/** Simulates a tab that is closed in the middle: the operation with this number never comes back. */
export interface Interruption {
  hangAt: number;
  hung: () => void;
}

export class ScriptedRuntime implements Runtime {
  readonly can: RuntimeCapabilities;
  /** Calls that were answered, in order. */
  readonly asked: string[] = [];
  /** Jobs that were begun, in order. */
  readonly begun: string[] = [];
  readonly #adapters = new Map<string, number>();
  readonly #interruption: Interruption | null;
  readonly #salt: number;
  readonly engine: string;
  #operations = 0;

  /** @param salt makes it one that cannot repeat itself: another number, other answers and other training */
  constructor(interruption: Interruption | null = null, engine = 'scripted', salt: number | null = null) {
    this.#interruption = interruption;
    this.engine = engine;
    this.#salt = salt ?? 0;
    const repeats = salt === null;
    this.can = { ...ENGINE_CAPABILITIES, embeddings: false, mixtures: false, repeats };
  }

  /** Operations so far: questions asked together, and training steps. */
  get operations(): number {
    return this.#operations;
  }

  async ask(questions: Question[]): Promise<Answer[]> {
    await this.#operation();
    this.asked.push(...questions.map(({ at, call }) => callName(at, call)));
    return questions.map((question) => this.#answer(question));
  }

  /** Rewards, as answers do, depend on all that the adapter was finetuned on. */
  async reward(questions: ScoreQuestion[]): Promise<number[]> {
    await this.#operation();
    return questions.map(
      ({ adapter, completion }) => mix(this.#state(adapter ?? '') + this.#salt, completion) / 2 ** 31 - 1,
    );
  }

  async score(questions: ScoreQuestion[]): Promise<number[]> {
    return (await this.reward(questions)).map((reward) => reward - 1);
  }

  async *train({ job, tracks }: TrainingJob): AsyncGenerator<TrainStepEvent, void, void> {
    this.begun.push(job);
    const totalSteps = Math.max(...tracks.map((track) => track.batches.length));
    for (let step = 0; step < totalSteps; step++) {
      await this.#operation();
      const trained = tracks.filter((track) => step < track.batches.length);
      for (const { adapter, examples, batches } of trained) {
        const text = batches[step]!.map((i) => JSON.stringify(examples[i])).join('');
        this.#adapters.set(adapter, mix(this.#state(adapter) + this.#salt, text));
      }
      const result = trained.map(({ adapter, batches }) => ({
        adapter,
        loss: this.#state(adapter) / 2 ** 16,
        gradNorm: 1,
        lr: 1e-3,
        tokens: batches[step]!.length,
      }));
      yield { step, totalSteps, tracks: result };
    }
  }

  async createAdapter(name: string, _config: AdapterConfig, seed: number): Promise<void> {
    this.#adapters.set(name, seed % 65_521);
  }

  async adapterHash(name: string): Promise<string> {
    return hashAdapter(await this.exportAdapter(name));
  }

  async merge({ name, adapters, rule, texts }: MergeJob): Promise<MergedAdapter> {
    this.#adapters.set(
      name,
      mix(
        adapters.reduce((sum, one) => sum + this.#state(one), 0),
        JSON.stringify(texts ? [rule, texts] : rule),
      ),
    );
    return { hash: await this.adapterHash(name), lost: 0.25 };
  }

  async exportAdapter(name: string): Promise<AdapterWeights> {
    const config: AdapterConfig = { rank: 1, alpha: 1, targets: ['q_proj'] };
    return { config, tensors: new Map([['state', { shape: [1], data: Float32Array.of(this.#state(name)) }]]) };
  }

  async importAdapter(name: string, weights: AdapterWeights): Promise<void> {
    this.#adapters.set(name, weights.tensors.get('state')!.data[0]!);
  }

  describe(): RuntimeIdentity {
    return { model: { name: 'scripted', hash: '00' }, engine: this.engine, arithmetic: 1 };
  }

  async #operation(): Promise<void> {
    if (++this.#operations !== this.#interruption?.hangAt) return;
    this.#interruption.hung();
    await new Promise(() => {});
  }

  #state(adapter: string): number {
    const state = this.#adapters.get(adapter);
    if (state === undefined) throw new Error(`there is no adapter ${adapter}`);
    return state;
  }

  #answer({ adapter, messages, draw: name }: Question): Answer {
    const question = messages.at(-1)!.content.split('@')[0]!;
    const [a, b, c, d, e, f] = question.split(/[+*-]/).map(Number) as [number, number, number, number, number, number];
    const right = a + b * c + d - e * f;
    const state = adapter === null ? 0 : this.#state(adapter);
    const draw = drawUint({ seed: state + this.#salt, ...name }, 0);
    const answer = right + (draw % 4 === 0 ? 1 : draw % 9 === 1 ? -1 : 0);
    const text = draw % 23 === 5 ? '1+1=' : `${state};#${answer}`;
    const ids = [...Array.from(text, (sign) => sign.charCodeAt(0)), 0];
    return { text, finish: 'stop', tokens: ids.length, ids, logprobs: [-0.12345 * (draw % 7)], margins: [1.005] };
  }
}

function mix(state: number, text: string): number {
  let hash = state + 1;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) >>> 0;
  return hash % 65_521;
}
