/** Terms of the page, each in a sentence or two: said on hover and focus, the same everywhere. */
export const GLOSSARY: Readonly<Record<string, string>> = {
  adapter: 'A small set of numbers that changes a model without touching its weights. Each agent has its own.',
  agent: 'One seat in the society: the same model with an adapter of its own.',
  baseline: 'What a method is compared with, for example the untouched model.',
  consensus:
    'Share of agents whose answer is that of the majority. It says how much they agree, not whether they are right.',
  coverage: 'Share of training problems on which enough agents agree, so that there is a label to learn from.',
  critic: 'The adapter of an agent that answers from round 2 on, after reading the others. It learns C− and C+.',
  'C−': 'Revisions of an agent that differed from the label at first, then agreed with it.',
  'C+': 'Revisions of an agent that agreed with the label before and after reading.',
  debate: 'Agents answer, read each other and answer again. The last answers are put to the vote.',
  'equal calls':
    'Two methods that spend the same number of generations on a problem, so that neither is better for having tried more often.',
  finetuning: 'Going on with training a model on chosen examples. Here only adapters change.',
  generator: 'The adapter of an agent that answers in round 1. It learns its own first answers that equal the label.',
  'held-out': 'Problems that no agent ever learns from. They only measure.',
  iteration: 'Once through the loop: debate, vote, build data, finetune, test.',
  label: 'The answer that agents learn to give. It comes from their own vote, so it may be wrong.',
  LoRA: 'Low-rank adaptation: next to a frozen matrix W stand two narrow ones, A and B, and only these learn. The model computes W + B·A, scaled.',
  McNemar:
    'A test for two methods on the same problems. It looks only at problems on which exactly one of them is right.',
  majority: 'The answer that most agents gave. A tie is decided by a seeded draw.',
  'p value': 'How often chance alone would show a difference as large as this one, if there were none.',
  'paired difference':
    'The difference of two methods on the same problems, problem by problem. Hard problems are hard for both, so it is less noisy.',
  precision: 'Share of the labels that are right. Only the reader knows it; the society does not.',
  rank: 'Width of an adapter’s matrices. A higher rank can change more and has more numbers to learn.',
  round: 'One answer of every agent. From round 2 on they have read the others.',
  saboteur: 'An agent that states one answer whatever is asked.',
  sample: 'One response, drawn token by token from the model’s probabilities.',
  seed: 'A number from which every random draw comes. The same seed gives the same run again.',
  society: 'Several agents that answer, debate and vote together.',
  token: 'A piece of text that a model reads or writes at once: here one character.',
  'untouched model': 'The model as it came, before any adapter has learnt.',
  vote: 'All last answers are counted; the most frequent one is the society’s answer.',
  '95 % interval': 'Values that fit what was measured. Of such intervals, about 95 in 100 contain the true value.',
};
