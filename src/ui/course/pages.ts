/**
 * The course: nine pages, each with a text, an experiment of under a minute, and a question whose answer is found in the run. Figures in
 * the texts come from committed runs (bench/results); answers come from the visitor's own run.
 */
import type { LogIndex } from '../readings/logIndex';
import type { TabKey } from '../tabs';
import { DEBATE, MAJORITY, MALT, SOCIETY, STRATEGIES, type Experiment } from './experiments';
import { consensusOf, examplesOf, headlineComparison, labelsOf, rightOf, stepsOf, votesMoved, compared } from './facts';
import { lastEvaluated } from '../readings/evaluations';

/** A number to find, or one of several answers. */
export type Ask =
  | { kind: 'number'; ask: string; where: string; answer(index: LogIndex): number | null; because: string }
  | {
      kind: 'choice';
      ask: string;
      where: string;
      options: readonly string[];
      /** Place among the options. */
      answer(index: LogIndex): number | null;
      because: string;
    };

export interface Page {
  id: string;
  title: string;
  text: readonly string[];
  experiment: Experiment;
  /** What the run does, in a sentence. */
  does: string;
  question: Ask;
  /** Where more of it is to be seen. */
  view: TabKey;
}

const rose = (before: number, after: number): number => (after > before ? 0 : after < before ? 1 : 2);

export const PAGES: readonly Page[] = [
  {
    id: 'vote',
    title: 'What a vote buys',
    text: [
      'The small model solves sums such as 7+7*3+8-6*2 step by step. It knows how, and it slips: a step comes out wrong, and with it the answer. Ask it again and it slips elsewhere.',
      'So ask several times and count. Wrong answers scatter, right ones agree: the majority is right more often than one sample. No learning is needed. It only costs more generations.',
      'It works as far as slips are independent. Where all agents make the same mistake, they outvote the truth.',
    ],
    experiment: DEBATE,
    does: 'The untouched model answers 100 held-out problems three times, then debates them.',
    question: {
      kind: 'number',
      ask: 'How many more held-out problems does the majority of 3 get right than a single sample?',
      where: 'The table above the stage has both: subtract one count from the other.',
      answer: (index) => {
        const [single, majority] = [rightOf(index, 'single', 0), rightOf(index, 'majority', 0)];
        return single && majority ? majority.right - single.right : null;
      },
      because:
        'In the committed runs of the paper’s size one sample was right on 57.2 % of 2,500 problems, the majority of three on 70.2 %.',
    },
    view: 'results',
  },
  {
    id: 'reading',
    title: 'What reading the others adds',
    text: [
      'In a debate, agents answer a second time after reading the others’ answers. An agent that slipped can see that two others agree, and look again.',
      'Reading can spoil, too. An agent that was right may give in to two that are wrong. What counts is which of the two happens more often.',
      'A debate of three agents in two rounds costs six generations. A vote among six samples costs the same. A fair comparison is made at equal calls.',
    ],
    experiment: DEBATE,
    does: 'The same run as on the page before: three agents, two rounds, and six samples beside them.',
    question: {
      kind: 'number',
      ask: 'In how many debates was the vote after round 1 wrong, and the last vote right?',
      where: 'Under Votes, or under Debates with the filter “vote rescued”.',
      answer: (index) => votesMoved(index, 'base', 0).wrongRight,
      because: 'The opposite is “vote spoiled”. What reading adds is the rescued votes minus the spoiled ones.',
    },
    view: 'votes',
  },
  {
    id: 'own-majority',
    title: 'Learning from one’s own majority',
    text: [
      'Nobody tells the model what is right. It answers training problems several times, takes the majority’s answer for the label, and is finetuned on the samples that gave it.',
      'That works while the majority is right more often than one sample is: each sample moves towards what the vote already knew. When samples and vote agree, there is nothing left to learn from.',
      'Coverage says on how many problems enough samples agree. Precision says how many of these labels are right. The model sees neither.',
    ],
    experiment: MAJORITY,
    does: 'One model learns from its own majority answers in three iterations.',
    question: {
      kind: 'number',
      ask: 'In the last iteration, how many of the labels that were learnt from are wrong?',
      where: 'Under Results, at “Pseudo-labels”: walk along precision and read how many of how many are right.',
      answer: (index) => {
        const labels = labelsOf(index, 'single');
        return labels ? labels.accepted - labels.acceptedRight : null;
      },
      because: 'Wrong labels are learnt like right ones. They are why learning from oneself stalls, and can turn bad.',
    },
    view: 'results',
  },
  {
    id: 'specialists',
    title: 'Generators and critics',
    text: [
      'Multiagent finetuning gives every agent two adapters of its own. Its generator gives the first answer; its critic answers again after reading the others.',
      'The generator learns its own first answers that equal the label (D^G). The critic learns two kinds. C+: the agent agreed with the label before and after. C−: it differed at first, then agreed. The weight w is the share of C− among them.',
      'Each agent learns only what it said, so agents may grow apart. That is the idea: specialists that keep differing, where copies would all become the same.',
    ],
    experiment: SOCIETY,
    does: 'One iteration of the method on 60 training and 100 held-out problems, beside one model that learns alone.',
    question: {
      kind: 'number',
      ask: 'From how many examples of the kind C− did the critic of agent A learn?',
      where: 'On the stage, in the card “critic A”, or under Data sets.',
      answer: (index) => examplesOf(index, 'critic-0', 'C-'),
      because: 'Corrections are rare, and they are what a critic is for. With w = ½ as many C+ as C− are kept.',
    },
    view: 'datasets',
  },
  {
    id: 'lora',
    title: 'LoRA as it is',
    text: [
      'The model’s matrices stay frozen. Beside each of the seven projections of a layer stand two narrow matrices, A and B, and the layer computes W + B·A. Only A and B learn.',
      'At the start B is zero, so a fresh adapter changes nothing: every agent begins as the untouched model. Rank 8 means that A and B are 8 wide: 8·(inputs + outputs) numbers for a projection.',
      'An optimiser step takes some examples, computes how likely the model finds them (the loss), and moves A and B so that they become likelier. Six adapters fit where one more copy of the model would not.',
    ],
    experiment: SOCIETY,
    does: 'The same run as on the page before. Its loss is drawn step by step.',
    question: {
      kind: 'number',
      ask: 'How many optimiser steps did generator A take?',
      where: 'At “Loss while training” under the stage: count the points of its line. The first step is 0.',
      answer: (index) => stepsOf(index, 'generator-0') || null,
      because:
        'The single model learns from more examples and takes more steps in the same iteration. A fair comparison says so.',
    },
    view: 'results',
  },
  {
    id: 'reading-results',
    title: 'Reading a result',
    text: [
      'Ninety of a hundred is not “90 %”: with other problems it could be 83 or 94. The 95 % interval says so. Most small gains lie inside it.',
      'Two methods on the same problems are compared problem by problem. McNemar’s test looks only at problems on which exactly one is right. Where its p value is above 0.05, chance alone makes such differences often.',
      'A run is one draw. Another seed gives other samples, other data and another result. Many comparisons find some small p by chance; that is why there is one headline.',
    ],
    experiment: SOCIETY,
    does: 'The same run as on the page about generators and critics. Run it once more with another seed, and compare the two under Runs.',
    question: {
      kind: 'choice',
      ask: 'Does the 95 % interval of society against single-agent finetuning contain 0?',
      where: 'In the first sentence of the result.',
      options: ['yes, so this run shows no difference', 'no, so chance alone seldom does that'],
      answer: (index) => {
        const iteration = lastEvaluated(index);
        const found =
          iteration > 0 ? compared(index, ['societyDebate', iteration], ['singleAgentDebate', iteration]) : null;
        return found && (found.interval[0] <= 0 && found.interval[1] >= 0 ? 0 : 1);
      },
      because:
        'An interval that contains 0 does not prove that both are equal. It says that this run cannot tell them apart.',
    },
    view: 'results',
  },
  {
    id: 'claims',
    title: 'What is claimed, and what we measured',
    text: [
      'The paper (arXiv 2501.05707) claims that a society of specialists goes on improving where one model that learns alone stops.',
      'Here, on arithmetic at the paper’s size (five seeds, 2,500 held-out problems), the society’s debate rose from 72.8 to 98.8 % in five iterations. One model that learnt from its own majority rose from 72.8 to 99.6 %, and sooner. The difference is −0.7 points (95 % interval −1.2 to −0.3). These runs do not support the claim.',
      'Why? That model takes about four times as many optimiser steps. And on sums, mistakes are independent slips, with little for specialists to add. Controls pull these reasons apart: equal steps, one shared pair, a random split, true labels.',
    ],
    experiment: SOCIETY,
    does: 'The same run: the society beside one model that learns alone.',
    question: {
      kind: 'choice',
      ask: 'In your run, which is right on more held-out problems after finetuning?',
      where: 'In the first sentence of the result, or in the table.',
      options: ['the society’s debate', 'the single model’s debate', 'both are right on as many'],
      answer: (index) => {
        const [own, other] = [rightOf(index, 'societyDebate'), rightOf(index, 'singleAgentDebate')];
        return own && other ? rose(other.right, own.right) : null;
      },
      because:
        'One small run settles nothing either way. What settles it is many problems, several seeds and equal work.',
    },
    view: 'results',
  },
  {
    id: 'others',
    title: 'Other ways to learn together',
    text: [
      'MALT gives agents different jobs: a generator answers, a verifier looks for mistakes, a refiner writes the final answer. Each learns from what led to right answers in the end.',
      'Boosted weak experts (EnsemW2S) learn one after another what the earlier ones got wrong; together they teach a stronger student. In a preference loop a model learns from pairs: which of two answers is better, said by a teacher, by agreement, or by you.',
      'All of them need a signal: true answers, agreement, or a judge. Asking where the signal comes from tells most of what a method can and cannot do.',
    ],
    experiment: MALT,
    does: 'MALT once: trees of answers, checks and refinements, then a test.',
    question: {
      kind: 'choice',
      ask: 'After learning, are more held-out problems right than before, fewer, or as many?',
      where: 'In the first sentence of the result.',
      options: ['more', 'fewer', 'as many'],
      answer: (index) => {
        const found = headlineComparison(index);
        return found && (found.difference > 0 ? 0 : found.difference < 0 ? 1 : 2);
      },
      because:
        'MALT learns from true answers here, and the society does not. So the two gains cannot be compared directly.',
    },
    view: 'debates',
  },
  {
    id: 'collapse',
    title: 'Collapse, and how to see it coming',
    text: [
      'Agents that learn from their common vote move towards each other. At the end they say the same, right or wrong. Then the vote corrects nothing, and the labels teach what everybody already says.',
      'Accuracy shows it late. Agreement shows it early: consensus rises, distinct answers fall, and accuracy does not follow.',
      'On this task a response shows by which of three strategies it was made, and each strategy fails on some problems. So one can watch agents specialise or collapse.',
    ],
    experiment: STRATEGIES,
    does: 'A society learns sums by three strategies in four iterations, all agents alike at the start.',
    question: {
      kind: 'choice',
      ask: 'Between the first and the last test, did consensus in round 1 rise, fall, or stay?',
      where: 'Under Results, at “Diversity”.',
      options: ['rose', 'fell', 'stayed'],
      answer: (index) => {
        const found = consensusOf(index, 'society');
        return found && rose(found.first, found.last);
      },
      because:
        'Look at accuracy beside it. Where both rise, agents learn the same right thing; where only consensus rises, they collapse.',
    },
    view: 'results',
  },
];
