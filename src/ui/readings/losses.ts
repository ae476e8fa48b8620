/** The training losses of a run as a chart. */
import type { TrainingStep } from '../../events';
import { standing } from '../../log/superseded';
import { agentLook } from '../agents';
import type { ChartData } from '../charts/data';
import type { ChartSeries } from '../charts/types';
import { adapterLook } from '../looks';
import type { LogIndex } from './logIndex';

/** Training loss of every adapter, the jobs one after the other on one axis of optimiser steps. */
export function lossCurves(index: LogIndex): ChartData {
  const { steps, objectives } = readTraining(index);
  const series = new Map<string, ChartSeries>();
  const marks: { x: number; label: string }[] = [];
  let offset = 0;
  let longest = 0;
  let before: TrainingStep | undefined;
  for (const event of steps) {
    if (event.job !== before?.job) {
      offset += longest;
      longest = 0;
      // The first job of an iteration stands for it.
      const label =
        event.iteration === before?.iteration ? event.job.replace(/\/\d+$/, '') : `iteration ${event.iteration}`;
      marks.push({ x: offset, label });
    }
    before = event;
    longest = Math.max(longest, event.step + 1);
    for (const { adapter, loss } of event.tracks) {
      const objective = objectives.get(`${event.job} ${adapter}`) ?? USUAL;
      const own = seriesOf(index, series, adapter, objective);
      // Tracks have different lengths: a line over the rest of an iteration would show losses that never were.
      own.points.push({ x: offset + event.step, y: loss, ...(event.step === 0 ? { start: true } : {}) });
    }
  }
  const usual = [...objectives.values()].every((objective) => objective === USUAL);
  return {
    title: 'Loss while training',
    xLabel: 'optimiser step',
    yLabel: usual ? 'loss, nats per token' : 'loss of each objective',
    reading: usual
      ? 'Cross-entropy on the training answers; lower is better.'
      : 'What each objective makes small; lower is better. Losses of different objectives cannot be compared.',
    format: 'number',
    include: [0],
    integerX: true,
    marks,
    series: [...series.values()],
  };
}

/** Cross-entropy: needs no name beside it. */
const USUAL = 'sft';

/** Steps that count, and the objective of each job and adapter. */
function readTraining({ summary }: LogIndex): { steps: TrainingStep[]; objectives: Map<string, string> } {
  const steps: TrainingStep[] = [];
  const objectives = new Map<string, string>();
  for (const event of standing(summary)) {
    if (event.type === 'training-step') steps.push(event);
    else if (event.type === 'dataset') objectives.set(`${event.job} ${event.adapter}`, event.objective.kind);
  }
  return { steps, objectives };
}

/** Objectives beside the usual one, as a legend names them. */
const OBJECTIVES: Readonly<Record<string, string>> = { dpo: 'DPO', kto: 'KTO', rank: 'ranking' };

function seriesOf(
  { cast }: LogIndex,
  series: Map<string, ChartSeries>,
  adapter: string,
  objective: string,
): ChartSeries {
  const id = objective === USUAL ? adapter : `${adapter} ${objective}`;
  const known = series.get(id);
  if (known) return known;
  const { label, color, dash, seat } = adapterLook(cast, adapter);
  const marker = seat === null ? 'hexagon' : agentLook(seat).shape;
  const name = objective === USUAL ? label : `${label}, ${OBJECTIVES[objective] ?? objective}`;
  const own: ChartSeries = { id, label: name, colour: color, dash, marker, points: [] };
  series.set(id, own);
  return own;
}
