/**
 * EnsemW2S (Agrawal et al., arXiv 2410.04571, "Enhancing Weak-to-Strong Generalization with LLM Ensembles"; binary branch as in the first
 * author's fork of openai/weak-to-strong, Aakriti05/weak-to-strong at b34d0ce). Weak experts learn from easy problems with known
 * solutions, one after the other, each on what the ones before it get wrong. Their mixture labels hard problems, and a stronger student
 * learns from these labels.
 *
 * Generation: weights D lie on the tokens of true solutions (D_1 = 1/n). An expert begins with the untouched model and learns sentences in
 * which only tokens drawn by D carry loss. ε = Σ D·1[its most probable token is another one] under teacher forcing, α = ln((1−ε)/ε) −
 * ln((1−ε₀)/ε₀) with ε₀ of the untouched model, D ← D·exp(α·1[wrong]), and the ensemble writes from Σ α_t·p_t at every token.
 * Choice: weights lie on problems; a model chooses the candidate answer that is most probable to it. ε as AdaBoost has it, on the
 * training split; α over a guess (for two candidates twice the fork's ½·ln((1−ε)/ε), which changes neither weights nor mixture); shares
 * of the candidates are Σ α_t·p_t.
 *
 * Decided here, since neither paper nor code is certain; the other reading is a setting where one is named:
 * - ε₀ is measured under D_t, as ε_t is (`baseError`: once, under equal weights, as the formula without an index may be meant).
 * - n tokens are drawn with replacement (`drawn`), and a token that was drawn is learnt once, however often it was drawn.
 *   `weighting: weights` puts D·n on the losses instead. In the choice branch a problem counts as often as it was drawn.
 * - α ≤ 0 ends boosting (`notBetter: skip` leaves the expert out). Without any expert the untouched model is the teacher. Errors are kept
 *   half an item away from 0 and 1.
 * - The number of experts is chosen on validation problems, those between easy and hard, by the mixture's mean log-probability of their
 *   solutions (`size`); the fork reports every number, which leaves the choice to the eye.
 * - Difficulty is terms + digits + carries of the worked solution; tasks without one are split by the length of the question. The fork's
 *   committed difficulty is the error of GPT-2 on its own training data, which a lab should not copy.
 * - In the choice branch an expert learns the true candidate's text, and the probability of a text decides: there is no linear head. The
 *   arithmetic tasks have two candidates: a true answer and a near miss, each behind all steps but the last. With that step the embedded
 *   model has nothing left to learn, and without the others it guesses. Multiple choice has its letters, GSM8K the answer and a near miss.
 * - Tasks that keep no worked solution (GSM8K's files, for one) give the answer alone as what is learnt.
 * - A soft label in generation is K samples of the teacher, in place of its distribution over all texts; in the choice branch every
 *   candidate is learnt with its share as weight. A hard label is one answer, or the candidate with the largest share. The embedded model
 *   is right on nearly every problem when it decodes greedily, so its one answer is a sample (`greedy` turns the other way on). The fork gives soft
 *   labels to the ensemble's student and hard ones to the single teacher's; here all students have the same kind.
 * - A student is stronger by its adapter's rank, and by its model where `studentModel` names a larger one: all students are adapters of
 *   that model then, the one with true labels too, and experts, teachers and bagged ones stay on the run's own. The larger model is tested
 *   as it is, and so are its students before they learn.
 * - Held-out problems are of all difficulties, so that the recipe is compared with others on the same problems.
 *
 * More than one iteration repeats all of it from the untouched model, with new draws (and new problems where `problems` says so).
 *
 * Names of draws: stream `boost`, agent t, round 0 for the expert and 1 for the bagged one; stream `sample`, agent = sample, round = 1 +
 * place of the student for labels; stream `reading`, though nothing is sampled; evaluation as everywhere.
 */
import type { Episode, GroupKey } from '../events';
import { STREAMS } from '../random';
import { easyToHard } from '../society/boosting';
import type { Asking } from '../runtimes/types';
import { openEpisodes, speak, vote, type PlannedTurn } from '../society/episode';
import { UNUSED, type Fate } from '../society/fate';
import { CHECKER } from '../society/prompts';
import { select } from '../society/selection';
import type { Ungraded } from '../tasks/types';
import { BASE, boost, PLACE, type Teachers } from './ensemBoosting';
import { BAGGED, cast, cost, EXAMPLES, EXPERT, rounds, stages, STRONG, STUDENT, STUDENTS, TEACHER } from './ensemCast';
import { candidatesOf, choose, markTruth, readTexts, voiceOf, withGold, type Part } from './ensemReadings';
import { check, PRESETS, SETTINGS, type Config } from './ensemSettings';
import { beginIteration, createAdapters, finetune, playChunks, type BuiltDataset, type Learning } from './steps';
import type { Draft, Recipe, RunContext, SecondModel } from './types';

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime, task } = context;
  const heldOut = yield* context.problems('evaluation', config.evaluationProblems, 0, 0);
  yield* evaluate(context, 'base', [], heldOut, 0);
  // Students of a larger model do not begin as the experts' does.
  if (config.studentModel !== undefined) {
    await createAdapters(runtime, strong(config), students(config));
    yield* evaluateStudents(context, heldOut, 0);
  }

  let problems: readonly Ungraded[] = [];
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    problems = yield* beginIteration(context, iteration, problems);
    const { labelled, validation, split } = config;
    const parts = easyToHard(
      problems,
      (problem) => task.difficulty?.(problem) ?? problem.question.length,
      { labelled, validation, random: split === 'random' },
      { seed: config.seed, stream: STREAMS.split, iteration, round: 1 },
    );
    await createAdapters(runtime, config, [...rounds(config).flatMap((t) => [EXPERT(t), BAGGED(t)]), TEACHER]);
    await createAdapters(runtime, strong(config), students(config));

    // Weak experts on easy problems.
    const teachers = yield* boost(context, iteration, parts, problems);

    // Labels for hard problems, by each kind of teacher, and one student for each.
    const datasets: BuiltDataset[] = [];
    for (const [place, { key, teacher }] of STUDENTS.entries()) {
      const group: GroupKey = { purpose: 'train', learner: key, iteration };
      const labels =
        teacher === null
          ? yield* readTexts(context, group, parts.hard, [BASE], place, markTruth(task, config))
          : yield* label(context, group, teacher, teachers[teacher], parts.hard, place);
      const fates = labels.map((episode) => fate(episode, config));
      const selection = select(labels, fates, key, ['label', 'solution']);
      datasets.push({ ...STUDENT(key), selection: weighByShare(selection, labels, config), episodes: labels });
    }
    yield* finetune(context, { job: `students/${iteration}`, iteration, datasets, problems });

    for (const learner of ['teacher', 'ensemble', 'bagging'] as const)
      yield* evaluate(context, learner, teachers[learner], heldOut, iteration);
    yield* evaluateStudents(context, heldOut, iteration);
  }
}

/** Adapters of the students, and of the larger model as it is. */
function students({ studentModel }: Config): Learning[] {
  return [...STUDENTS.map(({ key }) => STUDENT(key)), ...(studentModel === undefined ? [] : [STRONG])];
}

async function* evaluateStudents(
  context: RunContext<Config>,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  for (const [at, { adapter }] of students(context.config).entries()) {
    const part = { agent: adapter, adapter, place: PLACE.student + at, alpha: 1 };
    yield* evaluate(context, adapter, [part], problems, iteration);
  }
}

/** The strong model, where the students have one of their own. */
function secondModel(config: Config): SecondModel | null {
  const { studentModel: model } = config;
  if (model === undefined) return null;
  return { key: 'studentModel', model, adapters: students(config).map(({ adapter }) => adapter) };
}

/** The configuration with a student's adapter: a larger rank at the same scale. */
function strong(config: Config): Config {
  const { rank, alpha } = config.adapter;
  return {
    ...config,
    adapter: { ...config.adapter, rank: config.studentRank, alpha: (alpha / rank) * config.studentRank },
  };
}

/** Parts that read and choose; where there are none it is the untouched model. */
function orBase(parts: readonly Part[]): readonly Part[] {
  return parts.length > 0 ? parts : [{ ...BASE, alpha: 1 }];
}

/** What a teacher says to problems without labels: answers, or choices among candidates. */
async function* label(
  context: RunContext<Config>,
  group: GroupKey,
  agent: keyof Teachers,
  parts: readonly Part[],
  problems: readonly Ungraded[],
  place: number,
): AsyncGenerator<Draft, Episode[], void> {
  const { config, task } = context;
  const { iteration, learner } = group;
  let episodes: Episode[];
  if (config.branch === 'choice') {
    const readers = orBase(parts);
    episodes = yield* readTexts(context, group, problems, readers, place + 1, choose(task, readers, agent));
  } else {
    const soft = config.labels === 'soft';
    const turns = Array.from({ length: soft ? config.samples : 1 }, (_, k) => (problem: number) => ({
      call: `answer-${k}`,
      draw: { stream: STREAMS.sample, iteration, agent: k, problem, round: 1 + place },
      ...(!soft && config.greedy && { sampling: { temperature: 0 } }),
    }));
    episodes = yield* answered(context, group, agent, parts, problems, turns);
  }
  const labels = episodes.map(({ problem, verdicts }) => {
    const { answer = null, count = 1 } = verdicts[0] ?? {};
    return { problem, answer, votes: count, accepted: answer !== null };
  });
  const voters = config.branch === 'generation' && config.labels === 'soft' ? config.samples : 1;
  yield { type: 'labels', iteration, learner, voters, labels };
  return episodes;
}

/** Answers of a mixture, voted on; one event a problem. @param turns of each problem */
async function* answered(
  context: RunContext<Config>,
  group: GroupKey,
  agent: string,
  parts: readonly Part[],
  problems: readonly Ungraded[],
  turns: readonly ((problem: number) => Pick<PlannedTurn, 'call' | 'draw' | 'sampling'>)[],
): AsyncGenerator<Draft, Episode[], void> {
  const { task, config } = context;
  const play = async (chunk: readonly Ungraded[], asking: Asking): Promise<Episode[]> => {
    const episodes = openEpisodes(group, chunk);
    await speak(asking, task, chunk, episodes, ({ problem }) =>
      turns.map((turn, seat) => ({
        ...turn(problem),
        kind: 'answer',
        agent,
        seat,
        layer: 0,
        parents: [],
        ...voiceOf(parts),
      })),
    );
    return episodes;
  };
  const all: Episode[] = [];
  for await (const episodes of playChunks(context, problems, false, play)) {
    for (const episode of episodes) {
      const { iteration, problem } = episode;
      const of = episode.turns.map((_, at) => at);
      const name = { seed: config.seed, stream: STREAMS.tieBreak, iteration, agent: STREAMS.boost, problem, round: 1 };
      vote(episode, of, task.equal, name);
      all.push(episode);
      yield episode;
    }
  }
  return all;
}

/** Tests a teacher, a student or the untouched model (no parts) on held-out problems. */
async function* evaluate(
  context: RunContext<Config>,
  learner: string,
  parts: readonly Part[],
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  const { config, task, gold = new Map() } = context;
  const group: GroupKey = { purpose: 'evaluation', learner, iteration };
  const turn = (problem: number) => ({
    call: 'answer-0',
    draw: { stream: STREAMS.evaluate, iteration: 0, agent: 0, problem, round: 1 },
  });
  const episodes =
    config.branch === 'choice'
      ? yield* readTexts(context, group, problems, orBase(parts), 0, choose(task, orBase(parts), learner))
      : yield* answered(context, group, learner, parts, problems, [turn]);
  const first = problems[0];
  const read = first && config.branch === 'choice' ? candidatesOf(task, withGold(gold, first)).length : 1;
  const method = learner === 'base' ? 'single' : learner;
  const answers = episodes.map(({ verdicts }) => verdicts[0]?.answer ?? null);
  const turns = Array.from({ length: read * (config.branch === 'choice' ? orBase(parts).length : 1) }, (_, at) => at);
  yield { type: 'evaluate', iteration, learner, group, methods: [{ method, turns, answers }] };
}

/**
 * True solutions of easy problems go to the single teacher (experts and bagged ones draw theirs from the same), those of hard problems to the
 * student with true labels; a teacher's answers go to its student.
 */
function fate(episode: Episode, { branch, labels }: Pick<Config, 'branch' | 'labels'>): Fate[] {
  const { purpose, learner, part, turns, verdicts } = episode;
  const [verdict] = verdicts;
  return turns.map(({ kind, answer }, at): Fate => {
    if (purpose === 'evaluation') return { to: 'unused', why: UNUSED.heldOut };
    if (part === 'validation')
      return { to: 'unused', why: 'validation problem: the number of experts is chosen by it' };
    if (learner === 'ensemble') return { to: 'unused', why: 'read to find what the expert gets wrong' };
    const adapter = learner === 'base' ? TEACHER.adapter : learner;
    const score = verdict?.scores?.[verdict.of.indexOf(at)];
    if (verdict?.by === CHECKER)
      return score === 1
        ? { to: 'dataset', adapter, kind: 'solution', why: 'it is the true one' }
        : { to: 'dropped', adapter, why: 'it is a wrong candidate' };
    if (branch === 'generation')
      return kind === 'answer' && typeof answer === 'string'
        ? { to: 'dataset', adapter, kind: 'label', why: 'its teacher answered so' }
        : { to: 'dropped', adapter, why: 'no answer can be read' };
    if (score === undefined)
      return { to: 'unused', why: 'read for the mixture: another reading stands for the candidate' };
    const chosen = verdict?.scores?.indexOf(Math.max(...(verdict.scores ?? []))) === at;
    if (labels === 'hard' && !chosen) return { to: 'dropped', adapter, why: 'another candidate has a larger share' };
    return score === 0
      ? { to: 'dropped', adapter, why: 'the candidate has no share' }
      : {
          to: 'dataset',
          adapter,
          kind: 'label',
          why: labels === 'soft' ? 'with its share as weight' : 'it has the largest share',
        };
  });
}

/** Soft labels of the choice branch: every candidate with its share as weight. */
function weighByShare(
  selection: ReturnType<typeof select>,
  episodes: readonly Episode[],
  { branch, labels }: Config,
): ReturnType<typeof select> {
  if (branch !== 'choice' || labels !== 'soft') return selection;
  const shares = new Map(episodes.map(({ problem, verdicts }) => [problem, verdicts[0]]));
  const examples = selection.examples.map((example) => {
    const verdict = shares.get(example.problem);
    if (example.kind !== 'label' || !verdict) return example;
    return { ...example, weight: verdict.scores?.[verdict.of.indexOf(example.turn)] ?? 1 };
  });
  return { ...selection, examples };
}

export const ensemW2S: Recipe<Config> = {
  id: 'ensem-w2s',
  revision: 1,
  title: 'EnsemW2S',
  description:
    'Weak experts are boosted on easy problems with solutions; their mixture labels hard problems for a stronger student.',
  paper: 'arXiv 2410.04571',
  usesGold: true,
  settings: SETTINGS,
  presets: PRESETS,
  check,
  // Every expert learns, and is read on texts that are given.
  needs: (config) =>
    Object.fromEntries(cast(config).agents.map(({ id }) => [id, ['training', 'scores', 'mixtures'] as const])),
  secondModel,
  cast,
  stages,
  cost,
  examples: EXAMPLES,
  fate,
  run,
};
