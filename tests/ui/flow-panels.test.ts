import { describe, expect, it } from 'vitest';
import { flowChoices, flowPanels, flowSummary, flowTable } from '../../src/ui/readings/flowPanels';
import { indexLog } from '../../src/ui/readings/logIndex';
import { debate, problems, started, won } from './logs';

describe('flowPanels', () => {
  const corrected = { problem: 1, answers: [['4', '5'], ['5', '5']], votes: [won('4', 1, true), won('5', 2)] }; // prettier-ignore
  const index = indexLog([
    started({ agents: 2 }),
    problems({ 1: '5' }, 'evaluation', 0),
    debate({ ...corrected, purpose: 'evaluation', learner: 'base', iteration: 0 }),
    debate({ ...corrected, purpose: 'evaluation', learner: 'society', iteration: 1 }),
    debate({ problem: 1, learner: 'single', answers: [['5', '5']], votes: [won('5', 2)] }),
  ]);

  it('begins with the base on held-out problems', () => {
    const panels = flowPanels(index, 'evaluation', 'society', 'answers');
    expect(panels.map(({ iteration }) => iteration)).toEqual([0, 1]);
    expect(flowTable(panels).rows).toEqual([
      [0, 1, 2, 1, 1, 0, 0, 2],
      [1, 1, 2, 1, 1, 0, 0, 2],
    ]);
    expect(flowSummary(flowPanels(index, 'evaluation', 'base', 'votes'), 'votes')).toBe(
      'Iteration 0: from round 1 to 2, of 1 votes 0 stayed right, 1 were corrected, 0 were spoiled, 0 stayed wrong.',
    );
  });

  it('offers only debates of more than one round', () => {
    expect(flowChoices(index)).toEqual([
      { purpose: 'evaluation', learner: 'base' },
      { purpose: 'evaluation', learner: 'society' },
    ]);
    expect(flowPanels(index, 'train', 'single', 'votes')).toEqual([]);
  });
});
