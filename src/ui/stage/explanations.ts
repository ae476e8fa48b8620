/** What each part of the loop is and why, in words. */
import type { LoopPhase } from '../../lab/types';

export interface Explanation {
  /** On the track. */
  title: string;
  /** One line, while the run goes at full speed. */
  what: string;
  /** One or two sentences more, in slow motion or on request. */
  why: string;
}

export const EXPLANATIONS: Readonly<Record<LoopPhase, Explanation>> = {
  ask: {
    title: 'Ask',
    what: 'Every agent gets the same problem.',
    why: 'Nobody is told the true answer: the society has to find out by itself what to learn from.',
  },
  answer: {
    title: 'Answer',
    what: "Each agent's generator writes its own steps and, after #, its answer.",
    why: 'They sample independently, so where they are unsure they make different mistakes. That difference is what the method lives on.',
  },
  read: {
    title: 'Read the others',
    what: 'Each agent sees its own answer beside those of the others.',
    why: 'An agent that stands alone has a reason to look again.',
  },
  revise: {
    title: 'Revise',
    what: "Each agent's critic answers again, knowing what the others said.",
    why: 'Often a slip is corrected here. Sometimes a right answer is given up for a popular wrong one.',
  },
  vote: {
    title: 'Vote',
    what: 'The answer that most agents give becomes the label of this problem.',
    why: 'Agreement stands in for truth: models that slip in different places seldom agree on the same wrong answer.',
  },
  data: {
    title: 'Build data',
    what: 'Each agent keeps those of its own responses that reached the label.',
    why: 'Its first answers go to the generator (G). Its revisions go to the critic: C− when a wrong first answer was corrected, C+ when a right one was kept. The rest is dropped.',
  },
  finetune: {
    title: 'Finetune',
    what: 'Every adapter is trained on its own examples only.',
    why: 'All agents share one frozen model; each has two small LoRA adapters, a generator and a critic. Different examples keep the agents different, so that they still have something to tell each other.',
  },
  evaluate: {
    title: 'Evaluate',
    what: 'The society debates problems that it never learns from, and now the true answers are looked up.',
    why: 'The same problems are put to the untouched model. What lies between the two is what finetuning gained.',
  },
};

/** What differs where agents write in words and read whole responses instead of answers. */
const IN_WORDS: Partial<Record<LoopPhase, string>> = {
  answer: "Each agent's generator writes its reasoning and puts its answer into a box.",
  read: 'Each agent gets its own response and what the others said, or the untouched model’s summary of it.',
};

/** One line on a part of the loop. */
export function whatHappens(phase: LoopPhase, inWords: boolean): string {
  return (inWords ? IN_WORDS[phase] : undefined) ?? EXPLANATIONS[phase].what;
}
