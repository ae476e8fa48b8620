/** Settings of agents that are different before they learn; `start.ts` says how. */
import { RUN_LIMITS } from '../engine/limits';
import { taskNamed } from '../tasks';
import { ConfigurationError } from './errors';
import { integer, number } from './readers';
import { steps, type SettingTable } from './settings';

/** The part of a configuration. */
interface Start {
  start?: { diversity?: number; problems?: number; steps?: number };
}

/** Kind of the examples from which adapters start apart. */
export const START_KIND = 'S';

/** Where p is above 0. */
const PROBLEMS = 200;
const STEPS = 60;

export const START_SETTINGS = {
  'start.diversity': {
    reader: number(0, 1),
    label: 'Diversity at the start',
    symbol: 'p',
    line: 'How much each agent prefers a strategy of its own before it learns. 0 = identical copies, the paper’s start.',
    steps: steps(0, 0.5, 0.7, 0.8, 0.9),
    section: 'main',
    paper: 0,
    absent: 0,
  },
  'start.problems': {
    reader: integer(1, RUN_LIMITS.problems.max),
    label: 'Problems before the start',
    line: 'The untouched model answers them. Its chains, right or wrong, make the agents different.',
    section: 'expert',
    absent: PROBLEMS,
  },
  'start.steps': {
    reader: integer(1, RUN_LIMITS.problems.max),
    label: 'Steps before the start',
    line: 'Optimiser steps that each adapter takes on chains of its preferred strategy.',
    section: 'expert',
    absent: STEPS,
  },
} as const satisfies SettingTable;

/** Do agents start apart? */
export function startsApart({ start }: Start): boolean {
  return (start?.diversity ?? 0) > 0;
}

/** Problems of the start and the steps of each adapter. */
export function startSize({ start }: Start): { problems: number; steps: number } {
  return { problems: start?.problems ?? PROBLEMS, steps: start?.steps ?? STEPS };
}

/** @throws ConfigurationError where agents cannot start apart */
export function checkStart(config: Start & { task: string; startFrom: 'current' | 'base' }): void {
  if (!startsApart(config)) return;
  if (!taskNamed(config.task).strategies)
    throw new ConfigurationError(
      'start.diversity',
      `responses of task ${config.task} show no strategy; use 0, or task=strategies`,
    );
  if (config.startFrom === 'base')
    throw new ConfigurationError(
      'start.diversity',
      'would be lost in the first iteration with startFrom=base; use startFrom=current',
    );
}
