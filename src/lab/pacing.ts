/**
 * A society whose work is told of part by part and can be stepped and slowed. A step by round ends with each `ask` of
 * responses and with each finetuning; all agents answer a round in one batch on the device, so there is no smaller unit of
 * computing (the page reveals the answers of a held round agent by agent). Only time passes here, nothing else.
 */
import { asksForSummary, type Question, type Society } from '../recipes/types';
import type { RunControl } from './control';
import type { LoopPhase } from './types';

/** Training steps come quickly after each other; in slow motion each is on show for this share of a beat. */
const TRAINING_STEP_BEATS = 0.25;

/**
 * @param onPhase a part of the loop begins; `first` is the first question of its batch, null when nothing is asked. Returns
 * how many beats the part is to be looked at in slow motion.
 */
export function pacedSociety(
  society: Society,
  control: RunControl,
  onPhase: (phase: LoopPhase, first: Question | null) => number,
): Society {
  return {
    async ask(questions) {
      const first = questions[0];
      if (!first) return society.ask(questions);
      await control.gate();
      const revising = first.name.round > 1;
      const summary = asksForSummary(first);
      control.beat(onPhase(revising ? 'read' : 'ask', first));
      await control.gate();
      if (summary) return society.ask(questions);
      const beats = onPhase(revising ? 'revise' : 'answer', first);
      const responses = await society.ask(questions);
      control.beat(beats);
      control.ended('round');
      return responses;
    },
    async *finetune(tracks, optimiser) {
      await control.gate();
      control.beat(onPhase('finetune', null));
      await control.gate();
      for await (const step of society.finetune(tracks, optimiser)) {
        yield step;
        control.beat(TRAINING_STEP_BEATS);
      }
      control.ended('round');
    },
    createAdapter: (name, config, seed) => society.createAdapter(name, config, seed),
    adapterHash: (name) => society.adapterHash(name),
    describe: () => society.describe(),
  };
}
