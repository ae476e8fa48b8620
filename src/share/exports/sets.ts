/** What every adapter learnt from in every job, with its texts: rebuilt from the log alone. */
import {
  groupName,
  type DatasetBuilt,
  type Episode,
  type ExampleRef,
  type GroupKey,
  type RunEvent,
  type RunStarted,
  type Turn,
  type TurnRef,
  type Verdict,
} from '../../events';
import { TOKEN_WEIGHT_SCALE, unpackNumbers } from '../../pack';
import { finder } from '../../recipes/examples';
import type { FinetuneExample } from '../../runtimes/types';
import { lastVote } from '../../society/episode';
import { wordsOf } from '../../tasks';
import type { Problem, Task } from '../../tasks/types';
import { ExportError } from '../errors';

/** An example of a data set. */
export interface SetExample extends FinetuneExample {
  ref: ExampleRef;
  problem: Problem;
  /** The turn that is learnt. */
  turn: Turn;
  /** The last vote of its episode; absent where nobody voted. */
  vote?: Verdict;
  /** Preferences: what it is preferred to. */
  rejected?: FinetuneExample;
}

/** What one adapter learnt from in one job. */
export interface TrainingSet extends Pick<DatasetBuilt, 'iteration' | 'job' | 'adapter' | 'objective'> {
  examples: SetExample[];
}

interface Group {
  find: ReturnType<typeof finder>;
  episodes: Map<number, Episode>;
}

/**
 * The data sets of a log, in its order.
 * @throws ExportError for an example whose turn or problem the log does not hold; TaskError for a task, or a kind of turn, that this build does not know
 */
export function trainingSets(events: readonly RunEvent[]): TrainingSet[] {
  const task = wordsOf(startOf(events).config);
  const problems = new Map<number, Problem>();
  const episodes = new Map<string, Episode[]>();
  const sets: DatasetBuilt[] = [];
  for (const event of events) {
    if (event.type === 'dataset') sets.push(event);
    if (event.type === 'problems') for (const problem of event.problems) problems.set(problem.id, problem);
    if (event.type !== 'episode') continue;
    const name = groupName(event);
    const group = episodes.get(name);
    if (group) group.push(event);
    else episodes.set(name, [event]);
  }
  const groups = new Map<string, Group>();
  const groupOf = (key: GroupKey): Group => {
    const name = groupName(key);
    const known = groups.get(name) ?? groupIn(task, episodes.get(name) ?? [], problems);
    groups.set(name, known);
    return known;
  };
  return sets.map((set) => {
    const { iteration, job, adapter, objective } = set;
    const examples = set.examples.map((ref) => exampleOf(set, ref, groupOf, problems));
    return { iteration, job, adapter, objective, examples };
  });
}

/** The first event of a log. @throws ExportError where it is another one */
export function startOf([started]: readonly RunEvent[]): RunStarted {
  if (started?.type !== 'run-started') throw new ExportError('The log does not begin with a run.');
  return started;
}

function groupIn(task: Task, episodes: readonly Episode[], problems: ReadonlyMap<number, Problem>): Group {
  const asked = episodes.flatMap(({ problem }) => problems.get(problem) ?? []);
  return {
    find: finder(task, episodes, asked),
    episodes: new Map(episodes.map((episode) => [episode.problem, episode])),
  };
}

function exampleOf(
  { from, adapter, job }: DatasetBuilt,
  ref: ExampleRef,
  groupOf: (key: GroupKey) => Group,
  problems: ReadonlyMap<number, Problem>,
): SetExample {
  const lost = ({ problem, turn }: TurnRef): never => {
    throw new ExportError(
      `The data set of ${adapter} in ${job} names turn ${turn} of problem ${problem}, which is not in the log.`,
    );
  };
  const group = groupOf(ref.group ?? from);
  const example = group.find(ref, ref.prompt) ?? lost(ref);
  const episode = group.episodes.get(ref.problem);
  const [problem, turn] = [problems.get(ref.problem), episode?.turns[ref.turn]];
  if (!episode || !problem || !turn) return lost(ref);
  const vote = lastVote(episode);
  const other = ref.rejected;
  const rejected = other && (groupOf(other.group ?? from).find(other, ref.prompt) ?? lost(other));
  return {
    ...example,
    ...(ref.weight !== undefined && { weight: ref.weight }),
    ...(ref.tokens !== undefined && { tokenWeights: unpackNumbers(ref.tokens, TOKEN_WEIGHT_SCALE) }),
    ref,
    problem,
    turn,
    ...(vote && { vote }),
    ...(rejected && { rejected }),
  };
}
