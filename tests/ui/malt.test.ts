/** MALT is drawn by the generic views: trees, values, pairs and three roles, without a line about it in the page. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { resolveConfig } from '../../src/recipes/resolve';
import { datasetChoices, datasetView } from '../../src/ui/readings/datasets';
import { routesOf } from '../../src/ui/readings/debates';
import { indexLog, type LogIndex } from '../../src/ui/readings/logIndex';
import { lossCurves } from '../../src/ui/readings/losses';
import { headline } from '../../src/ui/readings/headline';
import { accuracyByGenerations, accuracyByIteration } from '../../src/ui/readings/results';
import { inSentence } from '../../src/ui/looks';
import { settingsText } from '../../src/ui/format';
import { textPhases } from '../../src/ui/readings/texts';
import { promptTo, textsRead } from '../../src/ui/readings/turns';
import { otherVerdicts } from '../../src/ui/readings/verdicts';
import { stageOf } from '../../src/ui/stage/picture';
import { marksBySeat } from '../../src/ui/stage/verdicts';
import { FakeRuntime, logOf, of } from '../recipes/fakeRuntime';

const config = resolveConfig('arithmetic-tiny', { trainProblems: 12, evaluationProblems: 6, branches: 2 }, 'malt');
let events: RunEvent[];
let index: LogIndex;

beforeAll(async () => {
  events = await logOf(new FakeRuntime(), config);
  index = indexLog(events);
});

const tree = () => index.rows.find(({ debate }) => debate.purpose === 'train')!;

describe('a run of MALT', () => {
  it('is measured with one pass, with the vote, and beside as many samples', () => {
    const { series } = accuracyByIteration(index);
    expect(series.map(({ label }) => label)).toEqual(of(events, 'run-started')[0]!.methods.map(({ label }) => label));
    expect(accuracyByGenerations(index, 1).series.map(({ points }) => points.map(({ x }) => x))).toEqual([
      [1, 3, 3, 9, 9],
      [1, 3, 3, 9],
    ]);
    expect(headline(index)).toMatch(/^.*“MALT, vote of 3” is right on/);
  });

  it('keeps its name within a sentence, and its passes are told', () => {
    expect(['MALT', 'STaR', 'LoRA rank', 'Society finetuning'].map(inSentence)).toEqual([
      'MALT',
      'STaR',
      'LoRA rank',
      'society finetuning',
    ]);
    expect(settingsText(config)).toContain(' · passes that vote: 3 · ');
  });

  it('shows the losses of both jobs, and pairs under the prompt that both answered', () => {
    const curves = lossCurves(index).series;
    const labels = curves.map(({ label }) => label);
    // Roles have one colour, and are told apart by their dashes.
    const roles = curves.filter(({ label }) => !label.includes(','));
    expect(new Set(roles.map(({ dash }) => dash)).size).toBe(roles.length);
    expect(labels).toEqual(expect.arrayContaining(['verifier', 'refiner', 'refiner, DPO']));
    expect(datasetChoices(index, 1).map(({ label }) => label)).toEqual(
      expect.arrayContaining(['generator, imitate', 'refiner, prefer']),
    );
    const view = datasetView(index, 'refiner', 1, 'prefer');
    expect(view?.rows.length).toBeGreaterThan(0);
    for (const row of view?.rows ?? []) {
      expect(row.prompt).toMatch(/^[\d+*-]+@-?\w+~-?\w+$/);
      expect(row.rejected).not.toBe(row.completion);
    }
  });

  it('shows a tree layer by layer, with checks as texts that are read, and values beside it', () => {
    const { debate: view } = tree();
    expect(view.responses.map((layer) => layer.length)).toEqual([2, 8]);
    const refinement = view.responses[1]![0]!;
    expect(textsRead(index.cast, view, refinement).map(({ label }) => label)).toEqual(['critique by the verifier']);
    expect(promptTo(index, tree(), refinement)[0]?.content).toContain('~');
    expect(otherVerdicts(index.cast, view, 0, false)[0]?.said[0]).toMatch(/^scores: agent A [\d.]+, agent B [\d.]+$/);
    expect(otherVerdicts(index.cast, view, 1, false).map(({ by }) => by)).toEqual(['checker', 'tree value']);
    const fates = routesOf(index, view).flat();
    expect(fates.length).toBe(10);
    expect(textPhases(index, 1, false)[0]?.rows.map(({ label }) => label)).toEqual([
      'first answers',
      'critiques',
      'refinements',
    ]);
  });

  it('says who speaks while a refinement is sampled, though checks give no answer', () => {
    const { problem, purpose, learner, iteration } = tree().debate;
    const place = { purpose, learner, iteration, problem };
    const sampling = { ...place, round: 2, agent: 'refiner', texts: ['1'], earlier: [['2']] };
    const stage = stageOf({ config, index, status: null, scene: { sampling } });
    expect(stage.speakers).toEqual({ first: 'generator', last: 'refiner' });
  });

  it('stands on the stage with a seat a branch, and its many marks by seat', () => {
    const stage = stageOf({ config, index, status: null, scene: { held: tree().debate } });
    expect(stage.agents.length).toBe(2);
    expect(stage).toMatchObject({ layered: true, reading: false, tally: null, vote: null });
    expect(stage.speakers).toEqual({ first: 'generator', last: 'refiner' });
    expect(stage.marks?.length).toBe(14);
    const marks = marksBySeat(stage.marks!)!;
    expect(marks.map(({ slot, by, scores }) => [slot, by, scores.length])).toEqual([
      [0, null, 4],
      [1, null, 4],
      [0, 'tree value', 3],
      [1, 'tree value', 3],
    ]);
    expect(marksBySeat(stage.marks!.slice(0, 12))).toBeNull();
    expect(stage.stages.map(({ what }) => what).every((what) => /^[A-Z].*\.$/.test(what))).toBe(true);
    expect(stage.adapters.map(({ name }) => name)).toEqual(['generator', 'verifier', 'refiner']);
  });
});
