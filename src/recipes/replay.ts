/**
 * Resuming a run = running its recipe again over a society that answers from the log as far as the log reaches.
 *
 * What is given from the log: debates of whole chunks, and finetunings whose every adapter was already written. Everything else
 * is asked of the inner society again. A chunk that the log holds in part is debated anew and a finetuning that was
 * interrupted starts again from the previous iteration's adapters: the same batches on the same device give the same
 * numbers, so the log of a resumed run is that of an undisturbed one. The runner compares each event that comes again with
 * the one it has stored.
 */
import type { AdapterConfig, OptimiserSettings, TrainStepEvent } from '../engine/types';
import type { AdapterUpdated, DebateHeld, RunEvent, TrainingStep } from '../events';
import { LogError } from '../log/errors';
import { asksForSummary, type FinetuneTrack, type ModelResponse, type Question, type Society } from './types';

/** Puts the weights that an adapter had after an iteration's finetuning into the inner society. */
export type RestoreAdapter = (adapter: string, iteration: number) => Promise<void>;

/** Where an adapter's weights come from, once they are needed. */
type Origin = { created: [config: AdapterConfig, seed: number] } | { trainedIn: number };

export class ReplayingSociety implements Society {
  private readonly debates: DebateHeld[];
  private readonly steps = new Map<number, TrainingStep[]>();
  private readonly hashes = new Map<string, AdapterUpdated>();
  private readonly origins = new Map<string, Origin>();
  private nextDebate = 0;
  /** Chunk that is being replayed, by problem. */
  private chunk = new Map<number, DebateHeld>();
  /** Finetunings asked for so far: the current iteration. */
  private iteration = 0;
  private live = false;

  /**
   * @param inner is not called, `describe` apart, before the log is exhausted.
   * @param recorded events of the interrupted run, in order.
   */
  constructor(
    private readonly inner: Society,
    recorded: readonly RunEvent[],
    private readonly restore: RestoreAdapter,
  ) {
    this.debates = recorded.filter((event) => event.type === 'debate');
    for (const event of recorded) {
      if (event.type === 'training-step')
        this.steps.set(event.iteration, [...(this.steps.get(event.iteration) ?? []), event]);
      if (event.type === 'adapter-updated') this.hashes.set(`${event.iteration} ${event.adapter}`, event);
    }
  }

  /** Still answering from the log. */
  get replaying(): boolean {
    return !this.live;
  }

  /** @throws LogError when the log holds other debates than the recipe now asks for. */
  async ask(questions: Question[]): Promise<ModelResponse[]> {
    if (questions.length === 0) return [];
    if (!this.live && questions[0]?.name.round === 1) this.openChunk(questions);
    if (!this.live && this.chunk.size > 0) return questions.map((question) => this.recordedResponse(question));
    await this.goLive();
    return this.inner.ask(questions);
  }

  async *finetune(tracks: FinetuneTrack[], optimiser: OptimiserSettings): AsyncGenerator<TrainStepEvent, void, void> {
    const iteration = ++this.iteration;
    const complete = tracks.every((track) => this.hashes.has(`${iteration} ${track.adapter}`));
    if (this.live || !complete) {
      await this.goLive();
      yield* this.inner.finetune(tracks, optimiser);
      return;
    }
    yield* mergedSteps(this.steps.get(iteration) ?? []);
    for (const { adapter } of tracks) this.origins.set(adapter, { trainedIn: iteration });
  }

  async createAdapter(name: string, config: AdapterConfig, seed: number): Promise<void> {
    if (this.live) return this.inner.createAdapter(name, config, seed);
    this.origins.set(name, { created: [config, seed] });
  }

  async adapterHash(name: string): Promise<string> {
    const recorded = this.live ? undefined : this.hashes.get(`${this.iteration} ${name}`);
    if (recorded) return recorded.hash;
    await this.goLive();
    return this.inner.adapterHash(name);
  }

  describe(): ReturnType<Society['describe']> {
    return this.inner.describe();
  }

  /** Takes the next recorded debates for the problems of a first round; fewer than all of them leave the chunk empty. */
  private openChunk(questions: readonly Question[]): void {
    const problems = [...new Set(questions.map((question) => question.name.problem))];
    const recorded = this.debates.slice(this.nextDebate, this.nextDebate + problems.length);
    recorded.forEach((debate, index) => {
      if (debate.problem === problems[index]) return;
      throw new LogError(
        `the log does not fit this configuration: it holds a debate of problem ${debate.problem} where ${problems[index]} is asked`,
      );
    });
    this.nextDebate += recorded.length;
    this.chunk = new Map(recorded.length === problems.length ? recorded.map((debate) => [debate.problem, debate]) : []);
  }

  private recordedResponse(question: Question): ModelResponse {
    const { problem, round, agent } = question.name;
    const debate = this.chunk.get(problem);
    const summary = asksForSummary(question);
    // The summary for round 2 is the first.
    const logged = summary ? debate?.summaries?.[round - 2]?.[agent] : debate?.responses[round - 1]?.[agent];
    if (!logged) {
      throw new LogError(
        `the log does not fit this configuration: no ${summary ? 'summary' : 'response'} of agent ${agent} to problem ${problem}, round ${round}`,
      );
    }
    const { text, finish, tokens, logprobs, margins, shortened } = logged;
    return { text, finish, tokens, logprobs, margins, ...(shortened && { shortened }) };
  }

  /** The log is exhausted: gives the inner society the adapters as they are at this point. */
  private async goLive(): Promise<void> {
    if (this.live) return;
    for (const [adapter, origin] of this.origins) {
      if ('created' in origin) await this.inner.createAdapter(adapter, ...origin.created);
      else await this.restore(adapter, origin.trainedIn);
    }
    this.live = true;
  }
}

/** The engine's step events out of the logged ones, which are split by team. */
function mergedSteps(logged: readonly TrainingStep[]): TrainStepEvent[] {
  const merged = new Map<number, TrainStepEvent>();
  const totalSteps = Math.max(0, ...logged.map((event) => event.totalSteps));
  for (const { step, tracks } of logged) {
    const event = merged.get(step) ?? { step, totalSteps, tracks: [] };
    event.tracks.push(...tracks);
    merged.set(step, event);
  }
  return [...merged.values()];
}
