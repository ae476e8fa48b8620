/** MALT's stages in words. */
import { taskNamed } from '../tasks';
import type { Config } from './maltSettings';
import type { Stage } from './types';

/** The stages of a run with these settings. */
export function stages(config: Config): Stage[] {
  const { branches, credit, label, prefer } = config;
  const tree = credit === 'tree';
  const inWords = taskNamed(config.task).dialect === 'chat';
  const truth = label === 'gold' ? 'the true answer' : 'the answer of more than half of them';
  return [
    {
      id: 'ask',
      moment: 'ask',
      kinds: ['answer'],
      title: 'Ask',
      what: `The generator gets each problem ${branches} times.`,
      why: 'Its samples differ where it is unsure. The method needs right and wrong ones side by side.',
    },
    {
      id: 'answer',
      moment: 'answer',
      kinds: ['answer'],
      title: 'Answer',
      what: inWords
        ? 'The generator writes its reasoning and puts its answer into a box.'
        : 'The generator writes its steps and, after #, its answer.',
      why: tree ? 'Every answer is the root of a branch.' : 'Every answer begins a chain.',
    },
    {
      id: 'verify',
      moment: 'ask',
      kinds: ['critique'],
      title: 'Verify',
      what: tree ? `The verifier checks every answer ${branches} times.` : 'The verifier checks every answer once.',
      why: inWords
        ? 'It says which step is wrong. Nobody tells it whether it is right.'
        : 'It works the problem out again with the answer before it. Nobody tells it whether it is right.',
    },
    {
      id: 'refine',
      moment: 'answer',
      kinds: ['refinement'],
      title: 'Refine',
      what: tree
        ? `After every check the refiner answers ${branches} times.`
        : 'After every check the refiner answers once.',
      why: inWords
        ? 'It reads the answer and the check. Its answer is the one that counts.'
        : 'It reads the answer and what the check arrived at. Its answer is the one that counts.',
      says: 'refinement',
    },
    {
      id: 'value',
      moment: 'verdict',
      title: tree ? 'Value' : 'Reward',
      what: tree
        ? `A leaf is right when it has ${truth}. A turn is worth the mean of all leaves below it.`
        : `An answer is right when it has ${truth}. A check gets what its own chain comes to.`,
      why: tree
        ? 'So a check is credited with what it leads to, without anybody grading checks.'
        : 'One chain says less about a check than a tree does, and costs far less.',
    },
    tree ? pairData(config) : weightData,
    {
      id: 'finetune',
      moment: 'train',
      title: 'Finetune',
      what: !tree
        ? 'Every role learns its weighted turns.'
        : prefer === 'none'
          ? 'Every role learns its wanted turns.'
          : `Every role learns its wanted turns. Then ${prefer === 'all' ? 'all learn' : 'verifier and refiner learn'} preferences.`,
      why:
        tree && prefer !== 'none'
          ? 'The reference of the preferences is the role as it was after its examples. All roles share one frozen model.'
          : 'All roles share one frozen model. Each has a LoRA adapter of its own.',
    },
    {
      id: 'evaluate',
      moment: 'evaluate',
      title: 'Evaluate',
      what: 'The three roles answer problems that they never learn from. One pass is measured, and the vote of several.',
      why: 'The untouched model plays the same roles, and votes with as many samples as the passes have calls.',
    },
  ];
}

function pairData({ prefer }: Pick<Config, 'prefer'>): Stage {
  return {
    id: 'data',
    moment: 'data',
    title: 'Build data',
    what:
      prefer === 'none'
        ? 'Turns whose value is above the threshold become examples.'
        : 'Turns whose value is above the threshold become examples, and are preferred to siblings that are not.',
    why: 'Siblings answer the same prompt, so a pair differs in the role’s own work alone. A tree of equal leaves gives no pair.',
  };
}

const weightData: Stage = {
  id: 'data',
  moment: 'data',
  title: 'Build data',
  what: 'Each turn gets the advantage of its reward among the turns of its role.',
  why: 'Turns of better chains are made more probable, those of worse chains less. Chains that are all alike teach nothing.',
};
