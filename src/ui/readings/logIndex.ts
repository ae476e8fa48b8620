/**
 * One pass over a log, for every view: episodes with what is worth filtering by, moves between rounds, data sets, problems.
 * A growing log is read on from where the last reading ended, so looking on while a run writes costs only the new events.
 */
import { groupName, type Cast, type DatasetBuilt, type Episode, type RunEvent, type RunStarted } from '../../events';
import { recipes } from '../../recipes';
import type { Recipe } from '../../recipes/types';
import { TASKS, wordsOf } from '../../tasks';
import type { Problem, Split, Task } from '../../tasks/types';
import { addToFlow, type Flow } from './flow';
import { answerBefore, outcomeOf, settledIn, viewOf, type EpisodeView } from './episodes';
import { gradings } from './grading';

/** What a debate can be filtered by; the bits of `DebateRow.marks`. */
export const MARKS = {
  /** An agent's answer in a later round differs from its answer in the round before. */
  changed: 1,
  /** Several answers had the most votes in some round, and a seeded draw chose. */
  tied: 2,
  /** Vote of the first round wrong, vote of the last round right. */
  rescued: 4,
  /** Vote of the first round right, vote of the last round wrong. */
  spoiled: 8,
  /** Some response has no readable answer. */
  unreadable: 16,
  /** What the episode came to is not the true answer. */
  voteWrong: 32,
  /** It is a label that somebody learns from, and not the true answer. */
  labelWrong: 64,
  /** An agent's first answer is right and its last one wrong. */
  lost: 128,
} as const;
export type Mark = keyof typeof MARKS;

export interface DebateRow {
  /** Place among the debates of the log, 0... */
  index: number;
  debate: EpisodeView;
  /** null when the log does not hold the problem. */
  problem: Problem | null;
  /** Sum of `MARKS`. */
  marks: number;
}

/** Episodes of one purpose, learner and iteration, in the order of the log. */
export interface DebateGroup {
  purpose: Split;
  learner: string;
  iteration: number;
  rows: DebateRow[];
  byProblem: Map<number, DebateRow>;
  flow: Flow;
}

export interface LogIndex {
  /** Events read. */
  length: number;
  started: RunStarted | null;
  /** Who takes part and what is compared; empty before the log has begun. */
  cast: Cast;
  /** null when this version of the lab does not know the run's recipe: what the log says is drawn all the same. */
  recipe: Recipe | null;
  /** null when this version of the lab does not know the run's task; answers are then compared as text. */
  task: Task | null;
  /** Do two answers mean the same in this task? false while that is being asked (`open`). */
  equal: (a: string, b: string) => boolean;
  /** Comparisons that were asked for and are not known yet: a new index follows when they are. */
  open: { count: number };
  /** All events that are not episodes. */
  summary: RunEvent[];
  problems: Map<number, Problem>;
  rows: DebateRow[];
  /** By `groupKey`, in the order of the log. */
  groups: Map<string, DebateGroup>;
  /** By iteration. */
  datasets: Map<number, DatasetBuilt[]>;
}

interface Reading {
  index: LogIndex;
  /** Of the comparisons when it was read. */
  version: number;
  last: RunEvent | undefined;
}

/** By the first event: a log that was copied to grow keeps its events. */
const readings = new WeakMap<RunEvent, Reading>();

/**
 * The index of a log. Reading the same or a longer log again goes on from the last reading; a new object is returned whenever
 * something was added (its lists are shared with the earlier one), the same object otherwise. Once comparisons have arrived that a reading
 * waited for, the log is read anew; in a derived value that happens of its own accord.
 */
export function indexLog(events: readonly RunEvent[]): LogIndex {
  gradings.watch();
  const first = events[0];
  if (!first) return emptyIndex();
  let reading = readings.get(first);
  const length = reading?.index.length ?? 0;
  if (!reading || length > events.length || events[length - 1] !== reading.last || outdated(reading)) {
    reading = { index: emptyIndex(), last: undefined, version: gradings.version };
    readings.set(first, reading);
  }
  if (reading.index.length < events.length) {
    const index = { ...reading.index };
    for (let i = index.length; i < events.length; i++) addEvent(index, events[i] as RunEvent);
    index.length = events.length;
    reading.index = index;
    reading.last = events[events.length - 1];
  }
  return reading.index;
}

/** The run has finished. */
export function isOver({ summary }: Pick<LogIndex, 'summary'>): boolean {
  return summary.at(-1)?.type === 'run-finished';
}

export function groupKey(purpose: Split, learner: string, iteration: number): string {
  return groupName({ purpose, learner, iteration });
}

/** Do two answers mean the same in this run's task? null (unreadable) equals nothing. */
export function sameAnswer(index: Pick<LogIndex, 'equal'>, a: string | null, b: string | null): boolean {
  if (a === null || b === null) return false;
  return a === b || index.equal(a, b);
}

/** A turn or verdict as far as its answer is concerned. */
export interface Answered {
  answer?: string | null;
  right?: boolean;
}

/** Is this answer right? What the log says counts; where it says nothing the answers are compared. Unreadable is wrong. */
export function isRight(index: Pick<LogIndex, 'equal'>, problem: Problem | null, said: Answered | null): boolean {
  if (!said) return false;
  return said.right ?? (problem?.gold !== undefined && sameAnswer(index, said.answer ?? null, problem.gold));
}

/** Answers have come since it was read, and it waited for some. */
function outdated({ index, version }: Reading): boolean {
  return index.open.count > 0 && version !== gradings.version;
}

function asking(task: Task, open: LogIndex['open']): Task['equal'] {
  return (a, b) => {
    const same = gradings.equal(task, a, b);
    if (same === null) open.count++;
    return same ?? false;
  };
}

function emptyIndex(): LogIndex {
  return {
    length: 0,
    started: null,
    cast: { agents: [], learners: [], methods: [], compare: [] },
    recipe: null,
    task: null,
    equal: (a, b) => a === b,
    open: { count: 0 },
    summary: [],
    problems: new Map(),
    rows: [],
    groups: new Map(),
    datasets: new Map(),
  };
}

function addEvent(index: LogIndex, event: RunEvent): void {
  if (event.type === 'episode') {
    addEpisode(index, event);
    return;
  }
  index.summary.push(event);
  if (event.type === 'run-started') {
    index.started = event;
    index.cast = event;
    index.recipe = recipes().find(({ id }) => id === event.recipe.id) ?? null;
    index.task = TASKS.some(({ name }) => name === event.config.task) ? wordsOf(event.config) : null;
    if (index.task) index.equal = asking(index.task, index.open);
  } else if (event.type === 'problems') {
    for (const problem of event.problems) index.problems.set(problem.id, problem);
  } else if (event.type === 'dataset') {
    const sets = index.datasets.get(event.iteration);
    if (sets) sets.push(event);
    else index.datasets.set(event.iteration, [event]);
  }
}

function addEpisode(index: LogIndex, episode: Episode): void {
  const debate = viewOf(episode);
  const problem = index.problems.get(debate.problem) ?? null;
  const right = (said: Answered | null) => isRight(index, problem, said);
  const row: DebateRow = { index: index.rows.length, debate, problem, marks: marksOf(index, debate, problem, right) };
  index.rows.push(row);
  const { purpose, learner, iteration } = debate;
  const key = groupKey(purpose, learner, iteration);
  let group = index.groups.get(key);
  if (!group) {
    group = { purpose, learner, iteration, rows: [], byProblem: new Map(), flow: { answers: [], votes: [] } };
    index.groups.set(key, group);
  }
  group.rows.push(row);
  group.byProblem.set(debate.problem, row);
  if (problem?.gold !== undefined) addToFlow(group.flow, debate, right);
}

function marksOf(
  index: LogIndex,
  debate: EpisodeView,
  problem: Problem | null,
  right: (said: Answered | null) => boolean,
): number {
  let marks = 0;
  const { responses, votes } = debate;
  for (let m = 0; m < responses.length; m++) {
    for (const turn of responses[m] ?? []) {
      const { answer = null } = turn;
      if (answer === null) marks |= MARKS.unreadable;
      const before = m > 0 ? answerBefore(debate, m, turn) : undefined;
      if (before && changed(index, before.answer ?? null, answer)) marks |= MARKS.changed;
    }
    if (votes[m]?.tied) marks |= MARKS.tied;
  }
  if (problem?.gold !== undefined) marks |= truthMarks(index, debate, right);
  const [first, last] = [settledIn(debate, 0), outcomeOf(debate)];
  if (responses.length > 1 && first && last) {
    const [before, after] = [right(first), right(last)];
    if (!before && after) marks |= MARKS.rescued;
    if (before && !after) marks |= MARKS.spoiled;
  }
  return marks;
}

/** What only the true answer tells. */
function truthMarks(index: LogIndex, debate: EpisodeView, right: (said: Answered | null) => boolean): number {
  let marks = 0;
  const { episode, responses, votes, purpose } = debate;
  const vote = votes.at(-1);
  if (vote && !right(vote)) {
    marks |= MARKS.voteWrong;
    const { recipe, started, equal } = index;
    const same = (a: string, b: string) => a === b || equal(a, b);
    const fates = purpose === 'train' && started ? (recipe?.fate?.(episode, started.config, same) ?? []) : [];
    if (fates.some(({ to }) => to === 'dataset')) marks |= MARKS.labelWrong;
  }
  const last = responses.at(-1) ?? [];
  const turned = (responses[0] ?? []).some(
    (turn) => right(turn) && last.some((later) => later.seat === turn.seat && !right(later)),
  );
  if (responses.length > 1 && turned) marks |= MARKS.lost;
  return marks;
}

/** From or to unreadable is a change; unreadable twice is none. */
function changed(index: LogIndex, before: string | null, after: string | null): boolean {
  return !(before === null && after === null) && !sameAnswer(index, before, after);
}
