/** Small hand-made logs for the views' tests: written in format 1, which is short, and lifted. */
import type { DatasetBuilt, Episode, EvaluationDone, RunEvent, RunStarted } from '../../src/events';
import type * as one from '../../src/log/format1';
import { Lift } from '../../src/log/lift';
import { recipeNamed } from '../../src/recipes';
import { resolveConfig } from '../../src/recipes/resolve';
import type { Problem, Split } from '../../src/tasks/types';

/** A response whose chain is `?#answer` (or `?` when unreadable), one token a character and a stop token. */
export function response(answer: string | null, text = answer === null ? '?' : `?#${answer}`): one.LoggedResponse {
  const tokens = text.length + 1;
  return {
    text,
    answer,
    finish: 'stop',
    tokens,
    logprobs: Array.from({ length: tokens }, () => -0.1),
    margins: Array.from({ length: tokens }, () => 3),
  };
}

export interface DebateSketch {
  problem: number;
  /** answers[m][n] */
  answers: (string | null)[][];
  votes: one.Vote[];
  purpose?: Split;
  learner?: string;
  iteration?: number;
}

export function debate({ answers, ...rest }: DebateSketch): Episode {
  return held({ ...rest, responses: answers.map((round) => round.map((answer) => response(answer))) });
}

/** A debate of whole responses, with summaries where there are some. */
export function held({ learner = 'society', ...rest }: HeldSketch): Episode {
  const team = learner as one.Team;
  return lifted({ type: 'debate', purpose: 'train', iteration: 1, votes: [], ...rest, team }) as Episode;
}

interface HeldSketch extends Partial<Omit<one.DebateHeld, 'type' | 'team' | 'problem' | 'responses'>> {
  problem: number;
  responses: one.LoggedResponse[][];
  learner?: string;
}

export const won = (answer: string, count: number, tied = false): one.Vote => ({ answer, count, tied });

/** The first event of a run. @param recipeId default: multiagent finetuning */
export function started(overrides: Record<string, string | number | boolean> = {}, recipeId?: string): RunStarted {
  const config = resolveConfig('arithmetic-tiny', overrides, recipeId);
  const recipe = recipeNamed(config.recipe);
  return {
    type: 'run-started',
    format: 2,
    recipe: { id: recipe.id, revision: recipe.revision },
    preset: { id: config.preset, revision: 1 },
    task: { id: config.task, revision: 1 },
    config,
    model: { name: 'm', hash: '00' },
    engine: 'test',
    arithmetic: 1,
    build: 'test',
    ...recipe.cast(config),
  };
}

export function problems(gold: Record<number, string>, split: Split = 'train', iteration = 1): RunEvent {
  const list = Object.entries(gold).map(([id, answer]): Problem => ({
    id: Number(id),
    question: `q${id}`,
    gold: answer,
  }));
  return { type: 'problems', split, iteration, problems: list };
}

/** What an adapter learns from. @param agents of the run */
export function dataset(agents: number, event: Omit<one.DatasetBuilt, 'type'>): DatasetBuilt {
  return lifted({ type: 'dataset', ...event }, agents) as DatasetBuilt;
}

/** An evaluation of four problems by two agents in two rounds; outcomes as strings of '1' and '0'. */
export function evaluation(
  learner: string,
  iteration: number,
  [single, majority, debated]: [string, string, string],
): EvaluationDone {
  const score = (correct: string) => ({
    right: correct.split('1').length - 1,
    unreadable: 0,
    n: correct.length,
    correct,
  });
  const event: one.EvaluationDone = {
    type: 'evaluation',
    iteration,
    team: learner as one.Team,
    single: score(single),
    majority: score(majority),
    debate: score(debated),
    perAgent: [
      [
        { right: 1, unreadable: 0 },
        { right: 3, unreadable: 1 },
      ],
      [
        { right: 2, unreadable: 0 },
        { right: 4, unreadable: 0 },
      ],
    ],
    consensus: [0.5, 0.75],
    distinctAnswers: [1.75, 1.5],
    distinctTexts: 2,
  };
  return lifted(event, 2) as EvaluationDone;
}

const lifts = new Map<number, Lift>();

function lifted(event: one.Event1, agents = 3): RunEvent {
  let lift = lifts.get(agents);
  if (!lift) lifts.set(agents, (lift = new Lift(resolveConfig('arithmetic-tiny', { minimumVotes: 1, agents }))));
  return lift.event(event);
}
