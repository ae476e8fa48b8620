/**
 * Re-does some units of a recorded run: answers that are asked again, training jobs that are done again. The log answers all else, so
 * the recipe's loop brings each unit to where it stood, with the adapters that it had.
 */
import type { AdapterConfig, TrainStepEvent } from '../engine/types';
import { callName, MERGED, type RunEvent, type Turn } from '../events';
import { packNumbers } from '../pack';
import { RecordedRuntime, type Origin, type RestoreAdapter } from './recorded';
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

/** What became of a unit. */
export interface CheckedUnit {
  kind: 'answer' | 'training';
  /** Name of the call or the job. */
  name: string;
  same: boolean;
  /** Index of the first other token, or the adapters that came out differently. */
  difference?: string;
}

export interface SpotChecks {
  /** Names of calls (`callName`). */
  answers: ReadonlySet<string>;
  /** Names of jobs. */
  jobs: ReadonlySet<string>;
}

export class SpotCheckRuntime implements Runtime {
  readonly #log: RecordedRuntime;
  readonly #turns = new Map<string, Turn>();
  readonly #hashes = new Map<string, string>();
  /** Adapters as they are at this point of the run. */
  readonly #origins = new Map<string, Origin>();

  /**
   * @param behind re-does the units
   * @param recorded events of the whole run
   * @param restore puts weights of the bundle into the runtime behind; rejects where the bundle holds none
   * @param onUnit hears of each unit as it was re-done
   */
  constructor(
    private readonly behind: Runtime,
    recorded: readonly RunEvent[],
    private readonly restore: RestoreAdapter,
    private readonly checks: SpotChecks,
    private readonly onUnit: (unit: CheckedUnit) => void,
  ) {
    this.#log = new RecordedRuntime(behind, recorded, () => Promise.resolve());
    for (const event of recorded) {
      if (event.type === 'episode') for (const turn of event.turns) this.#turns.set(callName(event, turn.call), turn);
      if (event.type === 'adapter' && 'job' in event.from)
        this.#hashes.set(`${event.from.job} ${event.adapter}`, event.hash);
    }
  }

  /** Merged adapters come from the log, so nothing is asked for them. */
  get can(): RuntimeCapabilities {
    return { ...this.behind.can, grams: true };
  }

  describe(): RuntimeIdentity {
    return this.behind.describe();
  }

  async ask(questions: Question[]): Promise<Answer[]> {
    for (const question of questions) {
      const name = callName(question.at, question.call);
      if (!this.checks.answers.has(name)) continue;
      const adapters = [question.adapter, ...(question.mixture ?? []).map(({ adapter }) => adapter)];
      for (const adapter of adapters) if (adapter !== null) await this.#bring(adapter);
      const [answer] = await this.behind.ask([question]);
      this.onUnit(compared(name, this.#turns.get(name), answer));
    }
    return this.#log.ask(questions);
  }

  async *train(job: TrainingJob): AsyncGenerator<TrainStepEvent, void, void> {
    if (this.checks.jobs.has(job.job)) await this.#trainAgain(job);
    yield* this.#log.train(job);
    for (const { adapter } of job.tracks)
      this.#origins.set(adapter, { trained: { iteration: job.iteration, job: job.job } });
  }

  async createAdapter(name: string, config: AdapterConfig, seed: number): Promise<void> {
    this.#origins.set(name, { created: [config, seed] });
    await this.#log.createAdapter(name, config, seed);
  }

  adapterHash(name: string, job: string): Promise<string> {
    return this.#log.adapterHash(name, job);
  }

  async merge(job: MergeJob): Promise<MergedAdapter> {
    this.#origins.set(job.name, { trained: { iteration: job.iteration, job: MERGED } });
    return this.#log.merge(job);
  }

  // Scores and rewards became verdicts: the log has them.
  score(questions: ScoreQuestion[]): Promise<number[]> {
    return this.#log.score(questions);
  }

  reward(questions: ScoreQuestion[]): Promise<number[]> {
    return this.#log.reward(questions);
  }

  dissimilarity(questions: ScoreQuestion[]): Promise<number[]> {
    return this.#log.dissimilarity(questions);
  }

  async #trainAgain(job: TrainingJob): Promise<void> {
    const references = job.tracks.flatMap(({ reference }) => reference ?? []);
    for (const adapter of new Set([...job.tracks.map(({ adapter }) => adapter), ...references]))
      await this.#bring(adapter);
    for await (const _ of this.behind.train(job));
    const other: string[] = [];
    for (const { adapter } of job.tracks) {
      const hash = await this.behind.adapterHash(adapter, job.job);
      if (hash !== this.#hashes.get(`${job.job} ${adapter}`)) other.push(adapter);
    }
    const difference = other.length > 0 && { difference: `adapters that came out differently: ${other.join(', ')}` };
    this.onUnit({ kind: 'training', name: job.job, same: other.length === 0, ...difference });
  }

  /** Gives the runtime behind an adapter as it is at this point. */
  async #bring(adapter: string): Promise<void> {
    const origin = this.#origins.get(adapter);
    if (!origin) throw new Error(`the adapter ${adapter} was never made`);
    if ('created' in origin) await this.behind.createAdapter(adapter, ...origin.created);
    else await this.restore(adapter, origin.trained.iteration, origin.trained.job);
  }
}

function compared(name: string, recorded: Turn | undefined, answer: Answer | undefined): CheckedUnit {
  const unit = { kind: 'answer', name } as const;
  if (!recorded || !answer) return { ...unit, same: false, difference: 'the log holds no such answer' };
  const same =
    answer.ids === undefined || recorded.ids === undefined
      ? answer.text === recorded.text
      : packNumbers(answer.ids) === recorded.ids;
  return same ? { ...unit, same } : { ...unit, same, difference: `"${answer.text}" instead of "${recorded.text}"` };
}
