/** Events in words, for who watches a log at a terminal. */
import type { Episode, RunEvent, RunStarted } from '../../src/events';
import { shown } from './terminal';
import { describeEvent } from './runReport';

/** Characters of a turn's text that are shown. */
const LONGEST = 160;

/** The lines that say an event. @param started the first event of the log */
export function eventLines(event: RunEvent, started: RunStarted): string[] {
  return wordsOf(event, started).map(shown);
}

function wordsOf(event: RunEvent, started: RunStarted): string[] {
  switch (event.type) {
    case 'run-started':
      return [
        `${event.recipe.id}, ${event.preset.id}, seed ${event.config.seed}; model ${event.model.name}; ran on ${event.engine}`,
      ];
    case 'problems':
      return [`${event.problems.length} problems ${event.split === 'train' ? 'to learn from' : 'held out'}`];
    case 'iteration-started':
      return [`— iteration ${event.iteration} —`];
    case 'episode':
      return episodeLines(event, started);
    case 'dataset': {
      const { adapter, job, examples, objective } = event;
      return [`${adapter} learns from ${examples.length} examples by ${objective.kind} in ${job}`];
    }
    case 'training-step': {
      const losses = event.tracks.map(({ adapter, loss }) => `${adapter} ${loss.toFixed(3)}`).join(', ');
      return [`${event.job}, step ${event.step + 1} of ${event.totalSteps}: loss ${losses}`];
    }
    case 'adapter':
      if ('merge' in event.from) break;
      return [`${event.adapter} after iteration ${event.iteration}: ${event.hash.slice(0, 12)}…`];
    case 'judged':
      return [`${event.by} scored ${event.turns.length} turns of iteration ${event.iteration}`];
    case 'run-finished':
      return [`finished after ${event.iterations} iterations`];
    case 'evaluation':
    case 'pseudo-labels':
    case 'measured':
    case 'job-superseded':
  }
  const said = describeEvent(event);
  return said ? [said.text] : [];
}

/** A line a turn, then its verdicts. */
function episodeLines({ purpose, learner, problem, turns, verdicts }: Episode, { agents }: RunStarted): string[] {
  const labels = new Map(agents.map(({ id, label }) => [id, label]));
  const mark = (right: boolean | undefined): string => (right === undefined ? '' : right ? ' ✓' : ' ✗');
  return [
    `${purpose === 'train' ? 'training' : 'held-out'} problem ${problem}, ${learner}`,
    ...turns.map(({ agent, layer, kind, text, answer, right, tokens }) => {
      const said = tokens === 0 ? '(not asked: no room)' : clipped(text);
      const found = answer === undefined ? '' : answer === null ? ' → unreadable' : ` → ${answer}`;
      return `  ${labels.get(agent) ?? agent}, ${kind} in round ${layer + 1}: ${said}${found}${mark(right)}`;
    }),
    ...verdicts.map(({ by, of, answer, count, tied, right }) => {
      const votes = count === undefined ? '' : `, ${count} of ${of.length}`;
      return `  ${by}: ${answer ?? 'nothing'}${votes}${tied ? ', tied' : ''}${mark(right)}`;
    }),
  ];
}

function clipped(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
