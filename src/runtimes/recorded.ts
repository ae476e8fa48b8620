/**
 * The log of an interrupted run, as a runtime. It answers by the *name* of a call, and a training job by the name of the job; what the
 * log does not hold it asks of the runtime behind it. So resuming a run = running its recipe again over this one.
 *
 * A job that the log holds in part is trained anew from its start. Where the runtime behind repeats itself, the steps come out as they
 * were, and whoever keeps the log compares them. Where it does not, `superseded` tells of the steps that no longer count.
 */
import type { AdapterConfig, TrainStepEvent } from '../engine/types';
import { callName, type AdapterVersion, type RunEvent, type TrainingStep, type Turn } from '../events';
import { LOGPROB_SCALE, MARGIN_SCALE, unpackNumbers } from '../pack';
import type {
  Answer,
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
type Origin = { created: [config: AdapterConfig, seed: number] } | { trained: { iteration: number; job: string } };

/** What the log says of a training job. */
interface RecordedJob {
  steps: TrainingStep[];
  versions: Map<string, AdapterVersion>;
}

export class RecordedRuntime implements Runtime {
  private readonly turns = new Map<string, Turn>();
  private readonly jobs = new Map<string, RecordedJob>();
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

  async score(questions: ScoreQuestion[]): Promise<number[]> {
    await this.goLive();
    if (!this.behind.score) throw new Error('this runtime gives no scores');
    return this.behind.score(questions);
  }

  describe(): RuntimeIdentity {
    return this.behind.describe();
  }

  private record(event: RunEvent): void {
    if (event.type === 'episode') for (const turn of event.turns) this.turns.set(callName(event, turn.call), turn);
    if (event.type === 'job-superseded') this.jobs.delete(event.job);
    if (event.type === 'training-step') this.jobOf(event.job).steps.push(event);
    if (event.type === 'adapter' && 'job' in event.from) this.jobOf(event.from.job).versions.set(event.adapter, event);
  }

  private jobOf(job: string): RecordedJob {
    let known = this.jobs.get(job);
    if (!known) this.jobs.set(job, (known = { steps: [], versions: new Map() }));
    return known;
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

/** The answer that became a turn. Its numbers are rounded as the log rounds them, and rounding again changes nothing. */
function answerOf({ text, finish, tokens, ids, logprobs, margins, shortened }: Turn): Answer {
  return {
    text,
    finish,
    tokens,
    ...(ids !== undefined && { ids: unpackNumbers(ids) }),
    ...(logprobs !== undefined && { logprobs: unpackNumbers(logprobs, LOGPROB_SCALE) }),
    ...(margins !== undefined && { margins: unpackNumbers(margins, MARGIN_SCALE) }),
    ...(shortened && { shortened }),
  };
}
