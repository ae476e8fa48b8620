/**
 * Plays a recipe and yields the log of its run. Gold stays here: a recipe gets problems without it, and what it yields is graded on its
 * way into the log.
 */
import { BUILD } from '../build';
import type { Episode, RunEvent } from '../events';
import { groupName, LOG_FORMAT } from '../events';
import type { Runtime } from '../runtimes/types';
import { gradeEpisode, gradeLabels, scoreAnswers, scoreLayers } from '../society/grading';
import type { Problem, Split, Task, Ungraded } from '../tasks/types';
import { castOf, checkEngine, frozenAdapters } from './abilities';
import type { RunConfig } from './config';
import { STOPPED } from './guards';
import type { HumanJudge } from './human';
import type { Draft, Recipe } from './types';

export interface RunParts {
  runtime: Runtime;
  task: Task;
  config: RunConfig;
  /** Whom recipes ask that ask a person. */
  human?: HumanJudge | undefined;
}

/**
 * Runs an experiment and yields its log. Errors: ConfigurationError, before the first event, where the engine lacks what the recipe needs; what
 * the runtime throws; DivergenceError when training left the finite numbers.
 */
export async function* runRecipe(recipe: Recipe, parts: RunParts): AsyncGenerator<RunEvent, void, void> {
  const { runtime, task, config, human } = parts;
  checkEngine(recipe, config, runtime);
  const grader = new Grader(task);
  yield {
    type: 'run-started',
    format: LOG_FORMAT,
    recipe: { id: recipe.id, revision: recipe.revision },
    preset: { id: config.preset, revision: recipe.presets[config.preset]?.revision ?? 0 },
    task: { id: task.name, revision: task.revision },
    config,
    ...runtime.describe(),
    build: BUILD,
    ...castOf(recipe, config),
  };
  const problems = (split: Split, count: number, iteration: number, drawn: number) =>
    drawProblems(task, config.seed, split, count, iteration, drawn);
  const gold = usesGold(recipe, config) ? { gold: grader.gold } : {};
  const frozen = frozenAdapters(config, recipe.cast(config));
  const beside = { ...gold, ...(human && { human }), ...(frozen.size > 0 && { frozen }) };
  let { iterations } = config;
  for await (const draft of recipe.run({ config, runtime, task, problems, ...beside })) {
    if (draft.type === 'measured' && draft.name === STOPPED) iterations = draft.iteration;
    yield grader.graded(draft, recipe, config);
  }
  yield { type: 'run-finished', iterations };
}

/** Does a recipe's loop look at true answers with these settings? */
export function usesGold({ usesGold: uses }: Pick<Recipe, 'usesGold'>, config: RunConfig): boolean {
  return typeof uses === 'function' ? uses(config) : uses === true;
}

async function* drawProblems(
  task: Task,
  seed: number,
  split: Split,
  count: number,
  iteration: number,
  drawn: number,
): AsyncGenerator<Draft, Ungraded[], void> {
  const problems = task.problems(split, count, seed, drawn);
  yield { type: 'problems', split, iteration, problems };
  return problems.map(({ id, question }) => ({ id, question }));
}

/** Knows the true answers of the problems that were drawn. */
class Grader {
  readonly gold = new Map<number, string>();
  /** Graded episodes on held-out problems, until they are evaluated. */
  readonly #groups = new Map<string, Episode[]>();

  constructor(private readonly task: Task) {}

  graded(draft: Draft, recipe: Recipe, config: RunConfig): RunEvent {
    const { equal } = this.task;
    switch (draft.type) {
      case 'problems':
        for (const problem of draft.problems) this.#learn(problem);
        return draft;
      case 'episode': {
        const episode = gradeEpisode(draft, this.gold, equal);
        if (episode.purpose === 'evaluation') this.#keep(episode);
        return episode;
      }
      case 'labels': {
        const { iteration, learner, labels, voters } = draft;
        return { type: 'pseudo-labels', iteration, learner, ...gradeLabels(labels, voters, this.gold, equal) };
      }
      case 'evaluate': {
        const { iteration, learner, methods, group } = draft;
        const episodes = this.#groups.get(groupName(group)) ?? [];
        this.#groups.delete(groupName(group));
        const problems = episodes.map(({ problem }) => problem);
        const known = new Map(recipe.cast(config).methods.map(({ key, calls }) => [key, calls]));
        // Where nobody knows a true answer no method has a score.
        const graded = problems.some((problem) => this.gold.has(problem)) || problems.length === 0 ? methods : [];
        const scores = graded.map(({ method, turns, answers }) => ({
          method,
          calls: known.get(method) ?? 0,
          turns,
          ...scoreAnswers(answers, problems, this.gold, equal),
        }));
        return { type: 'evaluation', iteration, learner, scores, layers: scoreLayers(episodes, equal) };
      }
      default:
        return draft;
    }
  }

  #learn({ id, gold }: Problem): void {
    if (gold !== undefined) this.gold.set(id, gold);
  }

  #keep(episode: Episode): void {
    const name = groupName(episode);
    const group = this.#groups.get(name);
    if (group) group.push(episode);
    else this.#groups.set(name, [episode]);
  }
}
