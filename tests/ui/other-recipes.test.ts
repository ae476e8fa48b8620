/** Views of runs that are no debates: they draw what a log says of itself, whether or not this version knows its recipe. */
import { describe, expect, it } from 'vitest';
import type { Episode, EvaluationDone, RunEvent, RunStarted, Turn, Verdict } from '../../src/events';
import { LOGPROB_SCALE, packNumbers } from '../../src/pack';
import { datasetChoices, datasetExamples, datasetView, toJsonl, whyOf } from '../../src/ui/readings/datasets';
import { filterDebates, NO_FILTER, routesOf } from '../../src/ui/readings/debates';
import { accuracyByAgent, diversityCharts, labelsByIteration } from '../../src/ui/readings/diagnostics';
import { outcomeOf, viewOf } from '../../src/ui/readings/episodes';
import { flowChoices, flowPanels } from '../../src/ui/readings/flowPanels';
import { indexLog, MARKS } from '../../src/ui/readings/logIndex';
import { lossCurves } from '../../src/ui/readings/losses';
import { differenceByIteration, pairedToReference, referenceName } from '../../src/ui/readings/paired';
import { headline, leadByIteration } from '../../src/ui/readings/headline';
import { accuracyByGenerations, accuracyByIteration } from '../../src/ui/readings/results';
import { textPhases } from '../../src/ui/readings/texts';
import { layerText, promptTo, speakerOf, textsRead, textsUnread } from '../../src/ui/readings/turns';
import { otherVerdicts } from '../../src/ui/readings/verdicts';
import { problems, started } from './logs';

function turn(call: string, rest: Partial<Turn>): Turn {
  const text = rest.text ?? '?';
  const tokens = text.length + 1;
  return { call, kind: 'answer', agent: 'base', seat: 0, layer: 0, parents: [], finish: 'stop', tokens, ...rest, text };
}

function episode(turns: Turn[], verdicts: Verdict[], rest: Partial<Episode> = {}): Episode {
  return { type: 'episode', purpose: 'train', learner: 'tree', iteration: 1, problem: 1, ...rest, turns, verdicts };
}

function score(method: string, calls: number, correct: string): EvaluationDone['scores'][number] {
  const right = correct.split('1').length - 1;
  return { method, calls, turns: [0], right, unreadable: 0, n: correct.length, correct };
}

/** Proposers, a verifier that scores and says why, a refiner; preference pairs; a recipe that this version does not know. */
function tree(): RunEvent[] {
  const { config, ...rest } = started();
  const seats = [
    { id: 'proposer-a', label: 'proposer A', role: 'proposer', seat: 0, adapter: 'p' },
    { id: 'proposer-b', label: 'proposer B', role: 'proposer', seat: 1, adapter: 'p' },
    { id: 'verifier', label: 'verifier', role: 'verifier', seat: null, adapter: 'v' },
    { id: 'refiner', label: 'refiner', role: 'refiner', seat: 2, adapter: 'r' },
  ];
  const first: RunStarted = {
    ...rest,
    config: { ...config, recipe: 'tree-of-tests' },
    recipe: { id: 'tree-of-tests', revision: 3 },
    agents: [{ id: 'base', label: 'untouched model', role: 'untouched model', seat: null, adapter: null }, ...seats],
    learners: [
      { key: 'plain', label: 'Nothing learnt', name: 'the plain model', agents: [] },
      { key: 'tree', label: 'Tree', name: 'the tree', agents: seats.map(({ id }) => id) },
    ],
    methods: [
      { key: 'plainBest', label: 'Best of 2', learner: 'plain', answer: 'best', calls: 3 },
      { key: 'treeBest', label: 'Tree, best of 2', learner: 'tree', answer: 'best', calls: 3 },
      { key: 'treeRefined', label: 'Tree, refined', learner: 'tree', answer: 'refined', calls: 4 },
    ],
    compare: [
      ['treeRefined', 'plainBest'],
      ['treeRefined', 'treeBest'],
    ],
  };
  const held = (iteration: number) =>
    episode(
      [
        turn('propose-0', { agent: 'proposer-a', answer: '4', text: '?#4', right: false }),
        turn('propose-1', { agent: 'proposer-b', seat: 1, answer: '5', text: '?#5', right: true }),
        turn('verify', { kind: 'critique', agent: 'verifier', layer: 1, parents: [0, 1], text: 'B is better' }),
        turn('refine', { kind: 'rewording', agent: 'refiner', seat: 2, layer: 1, parents: [1, 2], answer: '5', right: true }), // prettier-ignore
        turn('note', { kind: 'remark', agent: 'verifier', layer: 1, parents: [3], text: 'done' }),
      ],
      [
        { by: 'verifier', of: [0, 1], scores: [0.25, 0.75], ranking: [1, 0] },
        { by: 'checker', of: [3], answer: '5', scores: [1] },
      ],
      { iteration },
    );
  const pairs = (iteration: number): RunEvent => ({
    type: 'dataset',
    iteration,
    job: `prefer/${iteration}`,
    adapter: 'p',
    objective: { kind: 'dpo', beta: 0.1 },
    from: { purpose: 'train', learner: 'tree', iteration },
    examples: [{ problem: 1, turn: 1, kind: 'pair', rejected: { problem: 1, turn: 0 } }],
    available: { pair: 1 },
    dropped: [],
  });
  const step = (job: string, step: number, adapter: string, loss: number): RunEvent => {
    const tracks = [{ adapter, loss, gradNorm: 1, lr: 1, tokens: 1 }];
    return { type: 'training-step', iteration: 1, job, step, totalSteps: 2, tracks };
  };
  const evaluated = (learner: string, iteration: number, scores: EvaluationDone['scores']): RunEvent => ({
    type: 'evaluation',
    iteration,
    learner,
    scores,
    layers: [{ seats: [{ right: 1, unreadable: 0 }], distinctAnswers: 1.5 }],
  });
  return [
    first,
    problems({ 1: '5' }),
    evaluated('plain', 0, [score('plainBest', 3, '1000')]),
    { type: 'iteration-started', iteration: 1 },
    held(1),
    {
      type: 'dataset',
      iteration: 1,
      job: 'imitate/1',
      adapter: 'p',
      objective: { kind: 'sft' },
      from: { purpose: 'train', learner: 'tree', iteration: 1 },
      examples: [
        { problem: 1, turn: 1, kind: 'good', weight: 0.75 },
        { problem: 1, turn: 0, kind: 'bad', weight: -0.5 },
      ],
      available: { good: 1, bad: 1 },
      dropped: [],
    },
    step('imitate/1', 0, 'p', 9),
    step('imitate/1', 1, 'p', 8),
    { type: 'job-superseded', iteration: 1, job: 'imitate/1', steps: 2 },
    step('imitate/1', 0, 'p', 3),
    step('imitate/1', 1, 'p', 2),
    pairs(1),
    step('prefer/1', 0, 'p', 0.5),
    evaluated('tree', 1, [score('treeBest', 3, '1100'), score('treeRefined', 4, '1110')]),
    { type: 'iteration-started', iteration: 2 },
    held(2),
    pairs(2),
  ];
}

describe('a run of a recipe that this version does not know', () => {
  const index = indexLog(tree());
  const [row] = index.rows;
  const view = row!.debate;

  it('is drawn with its own methods, learners and labels', () => {
    expect(index.recipe).toBeNull();
    const { series, reading } = accuracyByIteration(index);
    expect(series.map(({ id, colour, points }) => [id, colour, points.map(({ y }) => y)])).toEqual([
      ['plainBest', 'var(--team-base)', [0.25]],
      ['treeBest', 'var(--team-society)', [0.25, 0.5]],
      ['treeRefined', 'var(--team-society)', [0.75]],
    ]);
    expect(reading).toContain('nobody (grey), the tree (blue)');
    expect(accuracyByGenerations(index, 1).series.map(({ id, points }) => [id, points.map(({ x }) => x)])).toEqual([
      ['plain', [3]],
      ['tree', [3, 4]],
    ]);
  });

  it('is compared as its cast says', () => {
    expect(referenceName(index.cast)).toBe('best of 2');
    expect(pairedToReference(index).map(({ method, difference }) => [method, difference])).toEqual([
      ['treeBest', 0.25],
      ['treeRefined', 0.5],
    ]);
    expect(leadByIteration(index)).toMatchObject({ series: [{ label: 'against “Tree, best of 2”' }] });
    expect(differenceByIteration(index).title).toBe('Difference from the best of 2');
    expect(differenceByIteration(index).series.map(({ id }) => id)).toEqual(['treeRefined']);
    expect(headline(index)).toContain('“Tree, refined” is right on 3 of 4 held-out problems, “Tree, best of 2” on 2');
    expect(headline(index)).toContain('Against the best of 2, right on 1 of 4: +50.0 points');
  });

  it('leaves out what nobody measured', () => {
    expect(diversityCharts(index).map(({ title }) => title)).toEqual(['Distinct answers in round 1']);
    expect(labelsByIteration(index).series).toEqual([]);
    expect(accuracyByAgent(index, 'tree')[0]?.series[0]?.points.map(({ x, y }) => [x, y])).toEqual([
      [0, 0.25],
      [1, 0.25],
    ]);
  });

  it('draws a tree without votes', () => {
    expect(view.votes).toEqual([null, null]);
    expect(view.responses.map((layer) => layer.map(({ call }) => call))).toEqual([
      ['propose-0', 'propose-1'],
      ['refine'],
    ]);
    expect(outcomeOf(view)?.answer).toBe('5');
    expect(row!.marks).toBe(0);
    expect(flowChoices(index)).toEqual([{ purpose: 'train', learner: 'tree' }]);
    // The refiner read the second proposal, not its own seat's.
    expect(flowPanels(index, 'train', 'tree', 'answers')[0]?.moves).toMatchObject([{ rightRight: 1, wrongRight: 0 }]);
    expect(layerText(view, 0)).toBe('everybody answers alone');
    expect(layerText(view, 1)).toBe('rewording');
    expect(speakerOf(index.cast, view, 0, view.responses[0]![1]!)).toBe('Agent B');
    expect(promptTo(index, row!, view.responses[1]![0]!)).toEqual([]);
  });

  it('shows texts that are read, texts that nobody read, and verdicts that are no votes', () => {
    const refined = view.responses[1]![0]!;
    expect(textsRead(index.cast, view, refined).map(({ label, turn }) => [label, turn.text])).toEqual([
      ['critique by the verifier', 'B is better'],
    ]);
    expect(textsUnread(index.cast, view, 1).map(({ label }) => label)).toEqual(['remark by the verifier']);
    expect(otherVerdicts(index.cast, view, 0, false)).toEqual([
      { by: 'verifier', said: ['scores: agent A 0.25, agent B 0.75', 'best to worst: agent B, agent A'] },
    ]);
    expect(otherVerdicts(index.cast, view, 1, false)).toEqual([
      { by: 'checker', said: ['compared with the true answer'] },
    ]);
    expect(otherVerdicts(index.cast, view, 1, true)).toEqual([
      { by: 'checker', said: ['score: agent C 1', 'answer 5'] },
    ]);
    expect(textPhases(index, 1, false)).toMatchObject([
      {
        phase: 'Training: tree',
        rows: [
          { label: 'first answers', answers: true },
          { label: 'critiques', answers: false },
          { label: 'rewordings', answers: true },
          { label: 'remarks', answers: false },
        ],
      },
    ]);
  });

  it('says where turns went, and that it does not know why', () => {
    expect(routesOf(index, view)).toEqual([
      [
        { to: 'dataset', kind: 'rejected', adapter: 'p', why: 'rejected' },
        { to: 'dataset', kind: 'pair', adapter: 'p', why: 'pair' },
      ],
      [{ to: 'unused', why: 'this version of the lab does not know the recipe of this run' }],
    ]);
  });

  it('shows preference pairs as chosen and rejected, and weights', () => {
    expect(datasetChoices(index, 1).map(({ label }) => label)).toEqual(['proposer A, imitate', 'proposer A, prefer']);
    const pairs = datasetView(index, 'p', 1, 'prefer');
    expect(pairs?.objective.kind).toBe('dpo');
    expect(pairs?.rows).toMatchObject([{ completion: '?#5', rejected: '?#4', change: 'added' }]);
    expect(whyOf(index, pairs!.rows[0]!)).toBeNull();
    const lines = (series: string) =>
      toJsonl(datasetExamples(index, 'p', 1, series) ?? [])
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
    expect(lines('imitate')).toEqual([
      { prompt: 'q1', completion: '?#5', weight: 0.75 },
      { prompt: 'q1', completion: '?#4', weight: -0.5 },
    ]);
    expect(lines('prefer')).toEqual([{ prompt: 'q1', completion: '?#5', rejected: '?#4' }]);
    // In iteration 2 the pairs are the adapter's only set, compared with the pairs of iteration 1.
    expect(datasetView(index, 'p', 2)?.counts).toMatchObject({ kept: 1, added: 0, removed: 0 });
  });

  it('draws every job once, without the steps of one that began again', () => {
    const { series, marks, yLabel } = lossCurves(index);
    expect(series.map(({ label, points }) => [label, points.map(({ x, y }) => [x, y])])).toEqual([
      ['proposer A', [[0, 3], [1, 2]]],
      ['proposer A, DPO', [[2, 0.5]]],
    ]); // prettier-ignore
    expect(marks).toEqual([
      { x: 0, label: 'iteration 1' },
      { x: 2, label: 'prefer' },
    ]);
    expect(yLabel).toBe('loss of each objective');
  });
});

describe('a run of STaR', () => {
  const single = (call: string, rest: Partial<Turn>) => turn(call, { agent: 'single', ...rest });
  const checked = (at: number, right: number): Verdict => ({ by: 'checker', of: [at], answer: '5', scores: [right] });
  const log: RunEvent[] = [
    started({}, 'star'),
    problems({ 1: '5', 2: '5' }),
    episode(
      [
        single('answer', { answer: '4', right: false, text: '?#4' }),
        single('hint', { kind: 'hint', layer: 1, parents: [0], answer: '5', right: true, text: '?#5' }),
      ],
      [checked(0, 0), checked(1, 1)],
      { learner: 'star' },
    ),
    episode(
      [single('answer', { answer: '5', right: true, logprobs: packNumbers([-1], LOGPROB_SCALE) })],
      [checked(0, 1)],
      {
        learner: 'star',
        problem: 2,
      },
    ),
    {
      type: 'dataset',
      iteration: 1,
      job: 'finetune/1',
      adapter: 'single',
      objective: { kind: 'sft' },
      from: { purpose: 'train', learner: 'star', iteration: 1 },
      examples: [
        { problem: 1, turn: 1, kind: 'hinted', prompt: 0 },
        { problem: 2, turn: 0, kind: 'direct' },
      ],
      available: { direct: 1, hinted: 1 },
      dropped: [],
    },
  ];
  const index = indexLog(log);

  it('is told by its answers: what the checker knows is not what the model came to', () => {
    expect(index.rows.map(({ debate }) => outcomeOf(debate)?.answer)).toEqual(['5', '5']);
    expect(index.rows.map(({ marks }) => marks)).toEqual([MARKS.changed | MARKS.rescued, 0]);
    expect(filterDebates(index.rows, { ...NO_FILTER, learner: 'star' }).length).toBe(2);
    const wrong = episode([single('answer', { answer: '4', right: false })], [checked(0, 0)]);
    expect(outcomeOf(viewOf(wrong))?.answer).toBe('4');
  });

  it('learns hinted answers under the prompt without the hint, and says why', () => {
    const view = datasetView(index, 'single', 1);
    expect(view?.rows.map(({ prompt, completion }) => [prompt, completion])).toEqual([
      ['q1', '?#5'],
      ['q2', '?'],
    ]);
    expect(view?.rows.map((row) => whyOf(index, row))).toEqual([
      'right with the hint, learnt without it',
      'answer is right',
    ]);
    expect(routesOf(index, index.rows[0]!.debate)[0]?.[0]).toMatchObject({ to: 'dropped', why: 'answer is wrong' });
  });
});
