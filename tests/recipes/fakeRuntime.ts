/**
 * A runtime without a model: every answer and every update is a function of the adapter's state, the draw's words and the
 * prompt. It computes the expression in the prompt and slips now and then, less so after finetuning.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { AdapterConfig, TrainStepEvent } from '../../src/engine/types';
import type { RunEvent } from '../../src/events';
import { drawUniform } from '../../src/random';
import { DEFAULT_RECIPE, recipeNamed } from '../../src/recipes';
import type { RunConfig } from '../../src/recipes/config';
import { resolveConfig } from '../../src/recipes/resolve';
import { runRecipe } from '../../src/recipes/run';
import type {
  Answer,
  MergedAdapter,
  MergeJob,
  Question,
  Runtime,
  RuntimeCapabilities,
  ScoreQuestion,
  TrainingJob,
} from '../../src/runtimes/types';
import { arithmetic } from '../../src/tasks/arithmetic';
import { ENGINE_CAPABILITIES } from '../../src/runtimes/capabilities';
import type { Task } from '../../src/tasks/types';

export class FakeRuntime implements Runtime {
  readonly can: RuntimeCapabilities = { ...ENGINE_CAPABILITIES, embeddings: false };
  /** State of each adapter; a fresh one answers like the base. */
  readonly states = new Map<string, string>();
  readonly asked: Question[][] = [];
  readonly trained: TrainingJob[] = [];
  readonly merged: Omit<MergeJob, 'iteration'>[] = [];
  readonly rewarded: ScoreQuestion[][] = [];
  readonly created: [name: string, seed: number][] = [];
  /** What a step reports as loss; NaN to diverge. */
  loss = (adapter: string, step: number): number => 1 / (1 + step) + adapter.length / 100;

  async ask(questions: Question[]): Promise<Answer[]> {
    this.asked.push(questions.map((question) => structuredClone(plain(question))));
    return questions.map((question) => this.answer(question));
  }

  async *train(job: TrainingJob): AsyncGenerator<TrainStepEvent, void, void> {
    this.trained.push(structuredClone(job));
    const totalSteps = Math.max(0, ...job.tracks.map(({ batches }) => batches.length));
    for (let step = 0; step < totalSteps; step++) {
      const active = job.tracks.filter(({ batches }) => batches.length > step);
      for (const { adapter, examples, batches } of active) {
        const batch = batches[step]?.map((index) => examples[index]);
        this.states.set(adapter, `trained ${hash(`${this.state(adapter)} ${JSON.stringify(batch)}`)}`);
      }
      await Promise.resolve();
      const tracks = active.map(({ adapter }) => ({
        adapter,
        loss: this.loss(adapter, step),
        gradNorm: 0.5,
        lr: 1e-3,
        tokens: 9,
      }));
      yield { step, totalSteps, tracks };
    }
  }

  async createAdapter(name: string, _config: AdapterConfig, seed: number): Promise<void> {
    this.created.push([name, seed]);
    this.states.set(name, `fresh ${seed}`);
  }

  async adapterHash(name: string): Promise<string> {
    return hash(this.state(name));
  }

  async merge({ name, adapters, rule, texts }: MergeJob): Promise<MergedAdapter> {
    this.merged.push(structuredClone({ name, adapters, rule, ...(texts && { texts }) }));
    const states = adapters.map((adapter) => this.state(adapter));
    this.states.set(name, `trained ${hash(JSON.stringify([states, rule]))}`);
    return { hash: await this.adapterHash(name), lost: rule.kind === 'ties' ? 0.12345 : 0 };
  }

  /** By the adapter's state and the text; a fresh one gives 0, as an engine's does. */
  async reward(questions: ScoreQuestion[]): Promise<number[]> {
    this.rewarded.push(questions);
    return questions.map(({ adapter, completion }) => {
      const state = this.state(adapter ?? '');
      return state.startsWith('trained') ? parseInt(hash(`${state} ${completion}`).slice(0, 8), 16) / 2 ** 31 - 1 : 0;
    });
  }

  describe() {
    return { model: { name: 'fake', hash: '00' }, engine: 'fake: none', arithmetic: 1 };
  }

  protected state(name: string): string {
    const state = this.states.get(name);
    if (state === undefined) throw new Error(`there is no adapter ${name}`);
    return state;
  }

  /** State of what answers: an adapter's, or for a mixture one made of all parts'. */
  private voice({ adapter, mixture }: Question): string {
    const state = (name: string | null) => (name === null ? 'fresh' : this.state(name));
    if (!mixture) return state(adapter);
    return `trained ${hash(mixture.map((part) => `${state(part.adapter)} ${part.weight}`).join(' '))}`;
  }

  /** A given text, one token a character and one for its end; now and then another token was more probable. */
  protected reading(question: Question): Answer {
    const { given = '', messages } = question;
    const state = this.voice(question);
    const ids = [...Array.from(given, (character) => character.charCodeAt(0)), 0];
    const name = { seed: parseInt(hash(`${state} ${messages[0]?.content} ${given}`).slice(0, 8), 16), stream: 99 };
    const luck = ids.map((_, at) => drawUniform(name, at));
    return {
      text: given,
      finish: 'stop',
      tokens: ids.length,
      ids,
      logprobs: luck.map((one) => -2 * one),
      margins: luck.map((one) => (one > (state.startsWith('trained') ? 0.9 : 0.8) ? -one : 0)),
    };
  }

  protected answer(question: Question): Answer {
    const { messages, draw, given } = question;
    if (given !== undefined) return this.reading(question);
    const state = this.voice(question);
    const trained = state.startsWith('trained');
    const [, a, b, c, d, e, f] = (/^(\d)\+(\d)\*(\d)\+(\d)-(\d)\*(\d)/.exec(messages[0]?.content ?? '') ?? []).map(
      Number,
    ) as [unknown, number, number, number, number, number, number];
    const value = a + b * c + d - e * f;
    // Trained adapters differ from each other by their state.
    const word = trained ? parseInt(state.slice(-8), 16) : 0;
    const luck = drawUniform({ seed: 11 + word, ...draw }, 0);
    const text =
      luck < (trained ? 0.6 : 0.45) ? `ok#${value}` : luck < 0.95 ? `slip#${value + (luck < 0.7 ? 1 : 10)}` : 'mumble';
    const ids = Array.from(text, (character) => character.charCodeAt(0));
    return {
      text,
      finish: 'stop',
      tokens: text.length,
      ids,
      logprobs: [-luck * 1.23456, -0.00001],
      margins: [luck, 2.005],
    };
  }
}

/** A question without what cannot be copied. */
function plain({ quotes: _, ...question }: Question): Question {
  return question;
}

export function hash(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

export function smallConfig(overrides: Record<string, string | number> = {}, recipe = DEFAULT_RECIPE): RunConfig {
  const few = { trainProblems: 14, evaluationProblems: 10, chunk: 4, iterations: 2, 'finetune.batchSize': 4 };
  return resolveConfig('arithmetic-tiny', { ...few, ...overrides }, recipe);
}

/** The whole log of a run. */
export async function logOf(
  runtime: Runtime,
  config: RunConfig,
  task: Task = arithmetic,
  onEvent?: (event: RunEvent) => void,
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of runRecipe(recipeNamed(config.recipe), { runtime, task, config })) {
    events.push(structuredClone(event));
    onEvent?.(event);
  }
  return events;
}

/** Events of one type. */
export function of<T extends RunEvent['type']>(events: readonly RunEvent[], type: T): Extract<RunEvent, { type: T }>[] {
  return events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);
}
