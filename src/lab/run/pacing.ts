/**
 * A runtime whose work is told of stage by stage and can be stepped and slowed. A step by round ends with each `ask` of
 * responses and with each training job; all seats answer a round in one batch on the device, so there is no smaller unit of
 * computing (the page reveals the answers of a held round agent by agent). Only time passes here, nothing else.
 */
import type { Moment } from '../../recipes/types';
import type { Answer, Question, Runtime } from '../../runtimes/types';
import { asksForAnswer } from '../../society/prompts';
import type { RunControl } from './control';

/** Training steps come quickly after each other; in slow motion each is on show for this share of a beat. */
const TRAINING_STEP_BEATS = 0.25;

/**
 * @param onStage a stage begins; `questions` are those of its batch, none where nothing is asked. Returns how many beats it is to
 * be looked at in slow motion.
 * @param onAnswers a call is over
 */
export function pacedRuntime(
  runtime: Runtime,
  control: RunControl,
  onStage: (moment: Moment, questions: readonly Question[]) => number,
  onAnswers: (questions: readonly Question[], answers: readonly Answer[]) => void = () => {},
): Runtime {
  const answered = async (questions: Question[]): Promise<Answer[]> => {
    const answers = await runtime.ask(questions);
    onAnswers(questions, answers);
    return answers;
  };
  return {
    can: runtime.can,
    get followed() {
      return control.followed;
    },
    async ask(questions) {
      const first = questions[0];
      if (!first) return runtime.ask(questions);
      await control.gate();
      control.beat(onStage('ask', questions));
      await control.gate();
      if (!asksForAnswer(first.kind)) return answered(questions);
      const beats = onStage('answer', questions);
      const answers = await answered(questions);
      control.beat(beats);
      control.ended('round');
      return answers;
    },
    async *train(job) {
      await control.gate();
      control.beat(onStage('train', []));
      await control.gate();
      for await (const step of runtime.train(job)) {
        yield step;
        control.beat(TRAINING_STEP_BEATS);
      }
      control.ended('round');
    },
    createAdapter: (name, config, seed) => runtime.createAdapter(name, config, seed),
    adapterHash: (name, job) => runtime.adapterHash(name, job),
    ...(runtime.merge && { merge: (job) => (runtime.merge as NonNullable<Runtime['merge']>)(job) }),
    ...(runtime.score && { score: runtime.score.bind(runtime) }),
    ...(runtime.dissimilarity && { dissimilarity: runtime.dissimilarity.bind(runtime) }),
    ...(runtime.reward && { reward: runtime.reward.bind(runtime) }),
    describe: () => runtime.describe(),
  };
}
