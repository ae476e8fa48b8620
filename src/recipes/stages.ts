/** Stages in words, where recipes share them. */
import { taskNamed } from '../tasks';
import type { RunConfig } from './config';
import type { Stage } from './types';

/** A debate in rounds with a vote, data sets, finetuning and a test. */
export const DEBATE_STAGES: readonly Stage[] = [
  {
    id: 'ask',
    moment: 'ask',
    kinds: ['answer'],
    title: 'Ask',
    what: 'Every agent gets the same problem.',
    why: 'Nobody sees the true answer. The society must find out what to learn from.',
  },
  {
    id: 'answer',
    moment: 'answer',
    kinds: ['answer'],
    title: 'Answer',
    what: "Each agent's generator writes its own steps and, after #, its answer.",
    why: 'They sample independently, so they make different mistakes where they are unsure. The method needs that difference.',
  },
  {
    id: 'read',
    moment: 'ask',
    kinds: ['summary', 'revision'],
    title: 'Read the others',
    what: 'Each agent sees its own answer beside those of the others.',
    why: 'An agent that stands alone has a reason to look again.',
  },
  {
    id: 'revise',
    moment: 'answer',
    kinds: ['revision'],
    title: 'Revise',
    what: "Each agent's critic answers again, knowing what the others said.",
    why: 'Often this corrects a slip. Sometimes a right answer gives way to a popular wrong one.',
    says: 'revision',
  },
  {
    id: 'vote',
    moment: 'verdict',
    title: 'Vote',
    what: 'The answer that most agents give wins. In training it becomes the label of this problem.',
    why: 'Agreement stands in for truth: models that slip in different places seldom agree on the same wrong answer.',
  },
  {
    id: 'data',
    moment: 'data',
    title: 'Build data',
    what: 'Each agent keeps those of its own responses that reached the label.',
    why: 'Its first answers go to the generator (G). Its revisions go to the critic: C− where the agent differed from the label at first, C+ where it agreed before and after. The rest is dropped.',
  },
  {
    id: 'finetune',
    moment: 'train',
    title: 'Finetune',
    what: 'Every adapter is trained on its own examples only.',
    why: 'All agents share one frozen model. Each has two small LoRA adapters, a generator and a critic. Different examples keep the agents different, so they still have something to tell each other.',
  },
  {
    id: 'evaluate',
    moment: 'evaluate',
    title: 'Evaluate',
    what: 'The society debates problems that it never learns from. Their true answers are looked up now.',
    why: 'The untouched model answers the same problems. The difference between the two is the gain of finetuning.',
  },
];

/** What differs where agents write in words and read whole responses instead of answers: by stage. */
const IN_WORDS: Readonly<Record<string, string>> = {
  answer: "Each agent's generator writes its reasoning and puts its answer into a box.",
  read: 'Each agent gets its own response and what the others said, or the untouched model’s summary of it.',
};

/** The stages of a debate with these settings: with one round nobody reads or revises. */
export function debateStages({ task, rounds }: Pick<RunConfig, 'task'> & { rounds: number }): Stage[] {
  const inWords = taskNamed(task).dialect === 'chat';
  return DEBATE_STAGES.filter(({ kinds }) => rounds > 1 || !kinds?.includes('revision')).map((stage) => ({
    ...stage,
    ...(inWords && { what: IN_WORDS[stage.id] ?? stage.what }),
  }));
}

/** The stages of a debate from which nobody learns. */
export function untrainedDebateStages(config: Parameters<typeof debateStages>[0]): Stage[] {
  const own: Readonly<Record<string, Pick<Stage, 'what' | 'why'>>> = {
    ask: {
      what: 'The model gets the same problem in every seat.',
      why: 'The seats differ in their random draws alone.',
    },
    answer: {
      what: 'Each seat writes its own steps and its answer.',
      why: 'Where the model is unsure its answers differ.',
    },
    revise: {
      what: 'Each seat answers again, knowing what the others said.',
      why: 'Often this corrects a slip. Sometimes a right answer gives way to a popular wrong one.',
    },
    vote: {
      what: 'The answer of most seats is the answer of the debate.',
      why: 'It is compared with a vote among as many samples.',
    },
    evaluate: {
      what: 'The true answers are looked up.',
      why: 'A debate is worth its calls only if it beats the majority of as many samples.',
    },
  };
  return debateStages(config)
    .filter(({ id }) => id !== 'data' && id !== 'finetune')
    .map((stage) => ({ ...stage, ...own[stage.id] }));
}

/** Stages of a recipe in which nobody debates: several samples of one model, and their majority. */
export const SAMPLING_STAGES: readonly Stage[] = [
  {
    id: 'ask',
    moment: 'ask',
    kinds: ['answer'],
    title: 'Ask',
    what: 'One model gets the same problem several times.',
    why: 'Nobody sees the true answer. The model must find out what to learn from.',
  },
  {
    id: 'answer',
    moment: 'answer',
    kinds: ['answer'],
    title: 'Answer',
    what: 'The model samples several answers, each with its own draws.',
    why: 'Its samples differ where it is unsure.',
  },
  ...DEBATE_STAGES.filter(({ id }) => ['vote', 'data', 'finetune', 'evaluate'].includes(id)).map((stage): Stage => {
    if (stage.id === 'data')
      return {
        ...stage,
        what: 'The samples that gave the majority’s answer become examples.',
        why: 'The model learns from what it says most often. The rest is dropped.',
      };
    if (stage.id === 'finetune')
      return { ...stage, what: 'The adapter is trained on the examples.', why: 'The base model stays frozen.' };
    if (stage.id === 'evaluate')
      return {
        ...stage,
        what: 'The model answers problems that it never learns from. Their true answers are looked up now.',
      };
    return {
      ...stage,
      what: 'The answer that most samples give wins. In training it becomes the label of this problem.',
      why: 'Agreement stands in for truth: samples that slip in different places seldom agree on the same wrong answer.',
    };
  }),
];

/** Stages of agents that learn alone and vote together in the end. */
export const ALONE_STAGES: readonly Stage[] = SAMPLING_STAGES.map((stage): Stage => {
  const own: Readonly<Record<string, Pick<Stage, 'what' | 'why'>>> = {
    ask: {
      what: 'One agent after another gets the same problem several times.',
      why: 'Agents never see each other’s answers, so each must find its label alone.',
    },
    answer: {
      what: 'The agent samples several answers, each with its own draws.',
      why: 'Its samples differ where it is unsure. A mistake that it always makes is the same in all of them.',
    },
    vote: {
      what: 'The answer that most of the agent’s own samples give becomes its label.',
      why: 'Nobody outvotes an agent, so it keeps what makes it different, its mistakes included.',
    },
    data: {
      what: 'Each agent keeps those of its samples that gave its own majority’s answer.',
      why: 'It learns from what it says most often. The rest is dropped.',
    },
    finetune: {
      what: 'Every adapter is trained on its own samples only.',
      why: 'All agents share one frozen model. What a society gains beyond this comes from its common label.',
    },
    evaluate: {
      what: 'The agents answer problems that they never learn from, and vote together.',
      why: 'The untouched model answers the same problems. Their true answers are looked up now.',
    },
  };
  return { ...stage, ...own[stage.id] };
});

/** Stages of a recipe in which one model is sampled and votes, and nobody learns. */
export const UNTRAINED_SAMPLING_STAGES: readonly Stage[] = SAMPLING_STAGES.filter(
  ({ id }) => id !== 'data' && id !== 'finetune',
).map((stage) => {
  if (stage.id === 'ask') return { ...stage, why: 'As many samples as a society spends generations cost the same.' };
  if (stage.id === 'vote')
    return {
      ...stage,
      what: 'The answer that most samples give is the answer.',
      why: 'Samples that slip in different places seldom agree on the same wrong answer.',
    };
  return stage.id === 'evaluate'
    ? { ...stage, what: 'The true answers are looked up.', why: 'A society is worth its calls only if it beats this.' }
    : stage;
});

/** Stages of STaR: one answer, and where it is wrong another with the true answer as a hint. */
export const STAR_STAGES: readonly Stage[] = [
  {
    id: 'answer',
    moment: 'answer',
    kinds: ['answer'],
    title: 'Answer',
    what: 'The model answers every problem.',
    why: 'Right answers become examples as they are.',
  },
  {
    id: 'hint',
    moment: 'answer',
    kinds: ['hint'],
    title: 'Answer with a hint',
    what: 'Where the answer was wrong, the model sees the true answer and answers again.',
    why: 'Some problems that it could not solve alone become examples. It learns them without the hint.',
    says: 'with the hint',
  },
  {
    id: 'vote',
    moment: 'verdict',
    title: 'Check',
    what: 'Answers are compared with the true ones.',
    why: 'This method learns from true answers, not from a vote.',
  },
  ...SAMPLING_STAGES.filter(({ id }) => ['data', 'finetune', 'evaluate'].includes(id)).map((stage): Stage =>
    stage.id === 'data' ? { ...stage, what: 'Right answers become examples.', why: 'The rest is dropped.' } : stage,
  ),
];

/** Stages of the preference loop: samples, two judges, pairs, two finetunings. */
export const PREFERENCE_STAGES: readonly Stage[] = [
  {
    id: 'answer',
    moment: 'answer',
    kinds: ['answer'],
    title: 'Sample',
    what: 'The policy answers each problem several times.',
    why: 'A pair needs a better and a worse answer to the same problem, so the samples must differ.',
  },
  {
    id: 'screen',
    moment: 'verdict',
    title: 'Screen and re-score',
    what: 'The student scores all answers. The teacher scores the student’s best and worst, and may turn them round.',
    why: 'The student is cheap and sees everything. The teacher is dear and sees two answers. Where it finds them equal there is no pair.',
  },
  {
    id: 'data',
    moment: 'data',
    title: 'Build pairs',
    what: 'Each pair is one answer and a worse one to the same problem.',
    why: 'Policy and student learn from the same pairs.',
  },
  {
    id: 'finetune',
    moment: 'train',
    title: 'Learn',
    what: 'The policy learns to prefer the better answers (DPO). Then the student learns to score them higher.',
    why: 'The student must follow the policy: answers change, and an old judge would no longer tell them apart.',
  },
  {
    id: 'evaluate',
    moment: 'evaluate',
    title: 'Evaluate',
    what: 'The policy answers held-out problems. A judge compares its answers with the untouched model’s.',
    why: 'The judge is neither the teacher nor the student: whoever taught the policy would find its own taste in it.',
  },
];
