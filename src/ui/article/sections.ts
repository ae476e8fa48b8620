/**
 * The article: the method, its relatives, its critics, and what replicates. Figures of a section that names `runs` are those of committed
 * runs, and a test looks each of them up; figures of others are as their authors report them.
 */

/** Keys of `WORKS` in brackets, `[maft]`, are citations. */
export interface Section {
  id: string;
  title: string;
  paragraphs: readonly string[];
  /** Committed files that hold every figure of the section. */
  runs?: readonly string[];
}

export interface Work {
  /** Authors or name, and year: what stands in the text. */
  cite: string;
  title: string;
  arxiv: string;
}

export const WORKS: Readonly<Record<string, Work>> = {
  maft: {
    cite: 'Subramaniam et al. 2025',
    title: 'Multiagent Finetuning: Self Improvement with Diverse Reasoning Chains',
    arxiv: '2501.05707',
  },
  debate: {
    cite: 'Du et al. 2023',
    title: 'Improving Factuality and Reasoning in Language Models through Multiagent Debate',
    arxiv: '2305.14325',
  },
  star: { cite: 'Zelikman et al. 2022', title: 'STaR: Bootstrapping Reasoning With Reasoning', arxiv: '2203.14465' },
  consistency: {
    cite: 'Wang et al. 2022',
    title: 'Self-Consistency Improves Chain of Thought Reasoning in Language Models',
    arxiv: '2203.11171',
  },
  lora: { cite: 'Hu et al. 2021', title: 'LoRA: Low-Rank Adaptation of Large Language Models', arxiv: '2106.09685' },
  malt: {
    cite: 'Motwani et al. 2024',
    title: 'MALT: Improving Reasoning with Multi-Agent LLM Training',
    arxiv: '2412.01928',
  },
  ensem: {
    cite: 'EnsemW2S 2024',
    title: 'EnsemW2S: Enhancing Weak-to-Strong Generalization with Large Language Model Ensembles',
    arxiv: '2410.04571',
  },
  maca: {
    cite: 'MACA 2025',
    title: 'Internalizing Self-Consistency in Language Models: Multi-Agent Consensus Alignment',
    arxiv: '2509.15172',
  },
  dte: {
    cite: 'DTE 2025',
    title: 'Debate, Train, Evolve: Self Evolution of Language Model Reasoning',
    arxiv: '2505.15734',
  },
  vote: {
    cite: 'Debate or Vote 2025',
    title: 'Debate or Vote: Which Yields Better Decisions in Multi-Agent Large Language Models?',
    arxiv: '2508.17536',
  },
  srt: { cite: 'SRT 2025', title: 'Can Large Reasoning Models Self-Train?', arxiv: '2505.21444' },
  ttrl: { cite: 'TTRL 2025', title: 'TTRL: Test-Time Reinforcement Learning', arxiv: '2504.16084' },
  guard: {
    cite: 'TTRL-Guard 2026',
    title:
      'Detecting and Mitigating the Correct-Answer Extinction Window in Test-Time Reinforcement Learning with Majority Voting',
    arxiv: '2605.19444',
  },
  cuma: {
    cite: 'CuMa 2025',
    title: 'You Need Reasoning to Learn Reasoning: The Limitations of Label-Free RL in Weak Base Models',
    arxiv: '2511.04902',
  },
  thought: {
    cite: 'ThoughtComm 2025',
    title: 'Thought Communication in Multiagent Collaboration',
    arxiv: '2510.20733',
  },
};

export const SECTIONS: readonly Section[] = [
  {
    id: 'method',
    title: 'The method',
    paragraphs: [
      'Multiagent finetuning [maft] begins with several copies of one language model. They answer a problem, read each other’s answers and answer again, as in multiagent debate [debate]. The majority of the last answers becomes the label. Nobody says what is right.',
      'Then each copy is finetuned on what it said itself. Its generator learns first answers that equal the label. Its critic learns second answers that equal it: revisions of agents that differed from it at first (C−), and of agents that agreed with it before and after (C+), mixed by a weight w. The loop begins anew with the finetuned agents.',
      'The claim is about diversity. One model that learns from its own answers soon has nothing new to learn. Agents that learn from different answers are to stay different, so the society is to go on improving.',
      'This lab keeps the loop and changes what a browser tab cannot hold. Agents are LoRA adapters [lora] on one frozen model, in place of whole copies. A label may need a minimum of votes; the paper’s rule is any winner. The small model speaks a short dialect of sums in place of English.',
    ],
  },
  {
    id: 'relatives',
    title: 'Its relatives',
    paragraphs: [
      'A majority of samples [consistency] needs no training, and is the first thing to compare with. STaR [star] learns from responses whose answer is right, so it needs true answers.',
      'MALT [malt] gives agents three jobs, generator, verifier and refiner. Each learns from what led to right answers in the end. EnsemW2S [ensem] boosts weak experts and lets them teach a stronger student.',
      'Later work keeps the debate and changes the update. MACA [maca] prefers traces that agree with the vote over those that do not, and reports that preferences do better than imitation in most cases. DTE [dte] trains one model by rewards from consensus.',
      'All of these can be run here, next to the method and on the same problems.',
    ],
  },
  {
    id: 'critics',
    title: 'What critics found, 2025 and 2026',
    paragraphs: [
      'Is it the debate? On seven data sets the vote explains most of what a debate gains [vote]. In their model of beliefs a debate does not change the expected number of right answers; it helps only where corrections are likelier than spoiled answers. So this lab counts both, and puts a vote at equal calls beside every debate.',
      'Does learning from oneself last? Training on one’s own majority helps at first and collapses later; the optimum is one fixed answer to everything [srt]. A wrong majority need not be useless as a reward, because it still punishes scattered errors [ttrl]. Imitation has no such help: it learns the wrong answer.',
      'Who gains? An account by problem in three models found 44.5 % solvable before, 0.7 % newly learned and 21.6 % degraded [guard]. Small models often end below where they began, unless problems without a majority are left out and easy ones come first [cuma].',
      'Does it replicate? Another group ran the published code [thought]. A model of 0.6 billion parameters rose from 45.8 to 71.2 % on MATH; one of 3.8 billion fell from 63.8 to 60.2 %. That code tests on problems that it trains on, and part of such a gain may be learning to finish an answer.',
    ],
  },
  {
    id: 'replicates',
    title: 'What replicates here',
    runs: ['bench/results/arithmetic/README.md', 'docs/what-replicates.md'],
    paragraphs: [
      'Sums at the paper’s size, five seeds, 2,500 held-out problems: the society’s debate rose from 72.8 to 98.8 % in five iterations. So it learns, without one true answer. A single model that learns from its own majority rose from 72.8 to 99.6 %. The difference is −0.7 points (95 % interval −1.2 to −0.3). That model takes more optimiser steps.',
      'Sums by three strategies, agents alike at the start, five seeds: the society’s majority rose from 66.5 to 76.3 %. That is 9.8 points above the untouched model (with other seeds: +3.2 to +16.4). Random thirds of the same data do as well: over four bases the difference is +1.4 points (−0.0 to +2.9). One shared model with all the steps does better, by 5.9 points (2.1 to 9.6). This is no sign of specialisation.',
      'Agents that each begin with a strategy of their own: the majority rose to 89.2 %, 22.7 points above the untouched model (+15.5 to +29.9) and 11.6 above isolated agents (+7.5 to +15.7). They repair each other: where their own strategy goes wrong they are right on 41.1 %, and were on 6.3 %. Over four bases the society ends 4.8 points above one shared model with all the steps (+0.9 to +8.7) and 8.9 above random thirds (+3.4 to +14.3).',
      'A collapse can be made: large steps, and any winner as a label. Agreement rises from 72.7 to 89.7 %, while right majorities go from 66.3 to 80.0 at their best and back to 67.8 %. A guard that stops when agreement rises alone ends at 76.3 %. Easy problems first end at 79.0 %.',
      'These are small models on small tasks. Lines that name no bases may be a property of one model, and one line in twenty passes by chance. The commands, the tables and the limits are in docs/what-replicates.md of the source.',
    ],
  },
];

/** A paragraph as text and citations. */
export function citedParts(paragraph: string): { text: string; work: string | null }[] {
  return paragraph
    .split(/(\[[a-z]+\])/)
    .filter((part) => part !== '')
    .map((part) => {
      const key = /^\[([a-z]+)\]$/.exec(part)?.[1];
      return key !== undefined && Object.hasOwn(WORKS, key) ? { text: '', work: key } : { text: part, work: null };
    });
}
