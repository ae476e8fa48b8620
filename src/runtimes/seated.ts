/**
 * A society on several runtimes: each call goes to the runtime of the seat for which it is spoken, all of them at once. The engine trains,
 * scores and merges. Adapters of agents that another runtime plays are never made.
 */
import type { AdapterConfig, TrainStepEvent } from '../engine/types';
import type { Answer, MergeJob, Question, Runtime, RuntimeIdentity, ScoreQuestion, TrainingJob, Voice } from './types';

export interface SeatedParts {
  engine: Runtime;
  /** By name. */
  voices: ReadonlyMap<string, Voice>;
  /** Name of the voice that answers a question; null = the engine. */
  voiceOf(question: Pick<Question, 'agent' | 'seat' | 'at'>): string | null;
  /** Adapters that are not made. */
  frozen: ReadonlyMap<string, string>;
  /** A response of a voice is complete. */
  onResponse?: (question: Question, response: Answer) => void;
}

/** Questions for one runtime, and where their answers belong. */
interface Group {
  name: string | null;
  questions: Question[];
  places: number[];
}

/** @returns a runtime that is the engine's in everything but the calls of the seats that voices play */
export function seatedRuntime({ engine, voices, voiceOf, frozen, onResponse }: SeatedParts): Runtime {
  const ask = async (questions: Question[]): Promise<Answer[]> => {
    const groups = grouped(questions, voiceOf);
    const asked = groups.map(async ({ name, questions: own }) => {
      if (name === null) return engine.ask(own);
      const voice = voices.get(name);
      if (!voice) throw new Error(`there is no runtime ${name}`);
      const answers = await voice.ask(own.map((question) => ({ ...question, adapter: null })));
      const named = answers.map((answer): Answer => ({ ...answer, runtime: name }));
      named.forEach((answer, at) => onResponse?.(own[at] as Question, answer));
      return named;
    });
    // What fails is told when nobody is at work any more: the device is free again then.
    const settled = await Promise.allSettled(asked);
    const answers: Answer[] = [];
    settled.forEach((one, at) => {
      if (one.status === 'rejected') throw one.reason;
      one.value.forEach((answer, index) => (answers[groups[at]?.places[index] as number] = answer));
    });
    return answers;
  };
  return {
    can: engine.can,
    ask,
    train: (job: TrainingJob): AsyncGenerator<TrainStepEvent, void, void> => engine.train(job),
    async createAdapter(name: string, config: AdapterConfig, seed: number): Promise<void> {
      if (!frozen.has(name)) await engine.createAdapter(name, config, seed);
    },
    adapterHash: (name, job) => engine.adapterHash(name, job),
    ...(engine.score && { score: (texts: ScoreQuestion[]) => (engine.score as NonNullable<Runtime['score']>)(texts) }),
    ...(engine.dissimilarity && {
      dissimilarity: (texts: ScoreQuestion[]) => (engine.dissimilarity as NonNullable<Runtime['dissimilarity']>)(texts),
    }),
    ...(engine.reward && {
      reward: (texts: ScoreQuestion[]) => (engine.reward as NonNullable<Runtime['reward']>)(texts),
    }),
    ...(engine.merge && { merge: (job: MergeJob) => (engine.merge as NonNullable<Runtime['merge']>)(job) }),
    describe: (): RuntimeIdentity => ({
      ...engine.describe(),
      runtimes: Array.from(voices.values(), (voice) => voice.describe()),
    }),
  };
}

function grouped(questions: readonly Question[], voiceOf: SeatedParts['voiceOf']): Group[] {
  const groups = new Map<string | null, Group>();
  questions.forEach((question, place) => {
    const name = voiceOf(question);
    const group = groups.get(name) ?? { name, questions: [], places: [] };
    groups.set(name, group);
    group.questions.push(question);
    group.places.push(place);
  });
  return [...groups.values()];
}
