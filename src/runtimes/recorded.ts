/**
 * The log of an interrupted run, as a runtime. It answers by the *name* of a call, and a training job by the name of the job; what the
 * log does not hold it asks of the runtime behind it. Scores of turns come from the verdicts that they became. So resuming a run = running
 * its recipe again over this one.
 *
 * A job that the log holds in part is trained anew from its start. Where the runtime behind repeats itself, the steps come out as they
 * were, and whoever keeps the log compares them. Where it does not, `superseded` tells of the steps that no longer count.
 */
import type { AdapterConfig, TrainStepEvent } from '../engine/types';
import {
  callName,
  MERGED,
  type AdapterVersion,
  type EpisodeKey,
  type RunEvent,
  type TrainingStep,
  type Turn,
} from '../events';
import { LOGPROB_SCALE, MARGIN_SCALE, unpackNumbers } from '../pack';
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
} from './types';

/** Puts the weights that an adapter had after a training job into the runtime behind. */
export type RestoreAdapter = (adapter: string, iteration: number, job: string) => Promise<void>;

/** Where an adapter's weights come from, once they are needed. */
export type Origin =
  { created: [config: AdapterConfig, seed: number] } | { trained: { iteration: number; job: string } };

/** What is asked of texts that are there. */
const OF_TEXTS = { score: 'scores', dissimilarity: 'embeddings', reward: 'rewards' } as const;

/** What the log says of a training job. */
interface RecordedJob {
  steps: TrainingStep[];
  versions: Map<string, AdapterVersion>;
}

export class RecordedRuntime implements Runtime {
  private readonly turns = new Map<string, Turn>();
  private readonly jobs = new Map<string, RecordedJob>();
  /** By iteration and name. */
  private readonly merged = new Map<string, AdapterVersion>();
  /** Scores of turns, by the turn and who gave them. */
  private readonly scores = new Map<string, number>();
  /** Adapters whose weights the runtime behind does not hold yet. */
  private readonly origins = new Map<string, Origin>();
  private live = false;

  /**
   * @param behind is not called, `describe` apart, before something is asked that the log does not hold.
   * @param recorded events of the interrupted run, in order.
   * @param superseded a job begins anew on a runtime that does not repeat itself, after so many recorded steps
   */
  constructor(
    private readonly behind: Runtime,
    recorded: readonly RunEvent[],
    private readonly restore: RestoreAdapter,
    private readonly superseded: (job: string, iteration: number, steps: number) => void = () => {},
  ) {
    for (const event of recorded) this.record(event);
  }

  get can(): RuntimeCapabilities {
    return this.behind.can;
  }

  get followed(): boolean {
    return this.behind.followed ?? false;
  }

  /** Still answering from the log. */
  get replaying(): boolean {
    return !this.live;
  }

  async ask(questions: Question[]): Promise<Answer[]> {
    const found = questions.map(({ at, call }) => this.turns.get(callName(at, call)));
    const missing = questions.filter((_, index) => !found[index]);
    if (missing.length > 0) await this.goLive();
    const asked = missing.length > 0 ? await this.behind.ask(missing) : [];
    const answers = asked.values();
    return found.map((turn) => (turn ? answerOf(turn) : (answers.next().value as Answer)));
  }

  async *train(job: TrainingJob): AsyncGenerator<TrainStepEvent, void, void> {
    const recorded = this.jobs.get(job.job);
    if (recorded && job.tracks.every(({ adapter }) => recorded.versions.has(adapter))) {
      for (const { step, totalSteps, tracks } of recorded.steps) yield { step, totalSteps, tracks };
      for (const { adapter } of job.tracks) {
        if (this.live) await this.restore(adapter, job.iteration, job.job);
        else this.origins.set(adapter, { trained: { iteration: job.iteration, job: job.job } });
      }
      return;
    }
    await this.goLive();
    if (recorded && recorded.steps.length > 0) {
      // What comes out of it now is asked of the runtime behind, for those who compare.
      this.jobs.delete(job.job);
      if (!this.can.repeats) this.superseded(job.job, job.iteration, recorded.steps.length);
    }
    yield* this.behind.train(job);
  }

  async createAdapter(name: string, config: AdapterConfig, seed: number): Promise<void> {
    if (this.live) return this.behind.createAdapter(name, config, seed);
    this.origins.set(name, { created: [config, seed] });
  }

  async adapterHash(name: string, job: string): Promise<string> {
    const recorded = this.jobs.get(job)?.versions.get(name);
    if (recorded) return recorded.hash;
    await this.goLive();
    return this.behind.adapterHash(name, job);
  }

  async merge(job: MergeJob): Promise<MergedAdapter> {
    const { name, iteration } = job;
    const recorded = this.merged.get(`${iteration} ${name}`);
    if (recorded) {
      if (this.live) await this.restore(name, iteration, MERGED);
      else this.origins.set(name, { trained: { iteration, job: MERGED } });
      return { hash: recorded.hash, lost: ('merge' in recorded.from && recorded.from.lost) || 0 };
    }
    await this.goLive();
    if (!this.behind.merge) throw new Error('this runtime merges no adapters');
    return this.behind.merge(job);
  }

  /** What became a verdict is read from the log. */
  async score(questions: ScoreQuestion[]): Promise<number[]> {
    return this.scored(questions, 'score');
  }

  /** What became a verdict is read from the log. */
  async reward(questions: ScoreQuestion[]): Promise<number[]> {
    return this.scored(questions, 'reward');
  }

  /** Texts are compared with each other, so all are asked where one is not in the log. */
  async dissimilarity(questions: ScoreQuestion[]): Promise<number[]> {
    const found = questions.flatMap((question) => this.scoreOf(question) ?? []);
    return found.length === questions.length ? found : (await this.behindWith('dissimilarity'))(questions);
  }

  describe(): RuntimeIdentity {
    return this.behind.describe();
  }

  private record(event: RunEvent): void {
    if (event.type === 'episode') {
      for (const turn of event.turns) this.turns.set(callName(event, turn.call), turn);
      for (const { by, of, scores = [] } of event.verdicts)
        scores.forEach((score, index) => this.scores.set(scoreName(event, of[index] ?? -1, by), score));
    }
    if (event.type === 'judged') {
      event.turns.forEach(({ problem, turn }, index) =>
        this.scores.set(scoreName({ ...event.from, problem }, turn, event.by), event.scores[index] as number),
      );
    }
    if (event.type === 'job-superseded') this.jobs.delete(event.job);
    if (event.type === 'training-step') this.jobOf(event.job).steps.push(event);
    if (event.type === 'adapter' && 'merge' in event.from)
      this.merged.set(`${event.iteration} ${event.adapter}`, event);
    if (event.type === 'adapter' && 'job' in event.from) this.jobOf(event.from.job).versions.set(event.adapter, event);
  }

  private jobOf(job: string): RecordedJob {
    let known = this.jobs.get(job);
    if (!known) this.jobs.set(job, (known = { steps: [], versions: new Map() }));
    return known;
  }

  private scoreOf({ of }: ScoreQuestion): number | undefined {
    return of && this.scores.get(scoreName(of.at, of.turn, of.by));
  }

  private async scored(questions: ScoreQuestion[], operation: 'score' | 'reward'): Promise<number[]> {
    const found = questions.map((question) => this.scoreOf(question));
    const missing = questions.filter((_, index) => found[index] === undefined);
    const asked = missing.length > 0 ? await (await this.behindWith(operation))(missing) : [];
    const scores = asked.values();
    return found.map((score) => score ?? (scores.next().value as number));
  }

  /** An operation of the runtime behind, which is at work from now on. @throws Error where it has none: `can` says so */
  private async behindWith<K extends keyof typeof OF_TEXTS>(operation: K): Promise<NonNullable<Runtime[K]>> {
    await this.goLive();
    const found = this.behind[operation]?.bind(this.behind);
    if (!found) throw new Error(`this runtime gives no ${OF_TEXTS[operation]}`);
    return found as NonNullable<Runtime[K]>;
  }

  /** Something is asked that the log does not hold: gives the runtime behind the adapters as they are at this point. */
  private async goLive(): Promise<void> {
    if (this.live) return;
    for (const [adapter, origin] of this.origins) {
      if ('created' in origin) await this.behind.createAdapter(adapter, ...origin.created);
      else await this.restore(adapter, origin.trained.iteration, origin.trained.job);
    }
    this.live = true;
  }
}

function scoreName(at: EpisodeKey, turn: number, by: string): string {
  return `${callName(at, String(turn))} ${by}`;
}

/** The answer that became a turn. Its numbers are rounded as the log rounds them, and rounding again changes nothing. */
function answerOf({ text, finish, tokens, ids, logprobs, margins, shortened, runtime, seed }: Turn): Answer {
  return {
    text,
    finish,
    tokens,
    ...(ids !== undefined && { ids: unpackNumbers(ids) }),
    ...(logprobs !== undefined && { logprobs: unpackNumbers(logprobs, LOGPROB_SCALE) }),
    ...(margins !== undefined && { margins: unpackNumbers(margins, MARGIN_SCALE) }),
    ...(shortened && { shortened }),
    ...(runtime !== undefined && { runtime }),
    ...(seed !== undefined && { seed }),
  };
}
