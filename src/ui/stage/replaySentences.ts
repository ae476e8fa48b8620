/** One sentence for each place of a replay: what happens there, from the log alone. */
import type {
  AdapterVersion,
  DatasetBuilt,
  Episode,
  EvaluationDone,
  ProblemsDrawn,
  PseudoLabels,
  RunEvent,
  TrainingStep,
  Turn,
} from '../../events';
import type { Recipe, Stage } from '../../recipes/types';
import { agentLook } from '../agents';
import { answerText, counted } from '../format';
import { adapterLook, headlineLearner, learnerLook, wayOf } from '../looks';
import { outcomeOf, viewOf, type EpisodeView } from '../readings/episodes';
import { testAt } from '../readings/evaluations';
import { isRight, sameAnswer, type LogIndex } from '../readings/logIndex';
import { headlines } from '../readings/headline';
import { placeIn, spokenLayers, type Position } from '../readings/replay';
import { DROPPED } from '../../society/selection';
import { fatesOf } from './destinations';
import { voteOf } from './verdicts';

/**
 * @param index of the log up to the place, or further
 * @param recipe null where this version of the lab does not know it
 */
export function sentenceAt(
  events: readonly RunEvent[],
  index: LogIndex,
  recipe: Recipe | null,
  { event, step }: Position,
): string {
  const at = events[event];
  switch (at?.type) {
    case 'episode':
      return episodeSentence(index, recipe, at, step);
    case 'dataset':
      return dataSentence(index, at);
    case 'training-step':
      return trainingSentence(index, at);
    case 'evaluation':
      return evaluationSentence(index, at);
    case 'pseudo-labels':
      return labelsSentence(index, at);
    case 'measured':
      return `Measured, ${at.name}: ${at.values.map(({ label, value }) => `${label} ${Number(value.toPrecision(3))}`).join(', ')}.`;
    case 'judged':
      return `${capital(at.by)} scores ${counted(at.turns.length, 'answer')}.`;
    case 'iteration-started':
      return `Iteration ${at.iteration} begins.`;
    case 'run-finished':
      return headlines(index)[0] ?? 'The run is over.';
    case 'adapter':
      return adapterSentence(index, at);
    case 'problems':
      return problemsSentence(at);
    case 'job-superseded':
      return 'The training begins again; its earlier steps do not count.';
    default:
      return 'The run begins.';
  }
}

function episodeSentence(index: LogIndex, recipe: Recipe | null, episode: Episode, step: number): string {
  const place = placeIn(episode, step);
  if (place === 'outcome') return outcomeSentence(index, recipe, episode);
  const layers = spokenLayers(episode);
  const seats = firstOfSeats(layers[place.layer] ?? []);
  const earlier = place.layer > 0 ? firstOfSeats(layers[place.layer - 1] ?? []) : [];
  const shown = place.visible < place.seats ? seats.filter(({ seat }) => seat === place.visible - 1) : seats;
  const kind = seats[0]?.kind;
  const stage = stageSaying(index, recipe, kind, place.layer);
  if (kind !== 'answer' && kind !== 'revision' && stage) return `${stage.title}: ${lower(stage.what)}`;
  if (place.layer > 0) return revised(index, shown, earlier);
  if (seats.length === 1) return `${capital(learnerLook(index.cast, episode.learner).name)} answers ${said(seats[0])}.`;
  if (shown.length === 1) return `Agent ${letter(shown[0])} answers ${said(shown[0])}.`;
  return `${seats.length} agents answer, and none sees another's answer: ${listed(shown.map(said))}.`;
}

function stageSaying(index: LogIndex, recipe: Recipe | null, kind: string | undefined, layer: number): Stage | null {
  const { config } = index.started ?? {};
  const stages = (config && recipe?.stages(config))?.filter(({ moment }) => moment === 'answer') ?? [];
  return stages.find(({ kinds }) => kind !== undefined && kinds?.includes(kind)) ?? stages[layer] ?? null;
}

function revised(index: LogIndex, shown: readonly Turn[], earlier: readonly Turn[]): string {
  const before = (turn: Turn) => earlier.find(({ seat }) => seat === turn.seat)?.answer ?? null;
  const moved = shown.filter((turn) => !sameOrBothUnread(index, before(turn), turn.answer ?? null));
  const stayed = shown.filter((turn) => !moved.includes(turn));
  const parts = moved.map((turn) => `${letter(turn)} goes from ${answerText(before(turn))} to ${said(turn)}`);
  if (moved.length === 0)
    return stayed.length === 1
      ? `Agent ${letter(stayed[0])} reads the others and stays with ${said(stayed[0])}.`
      : 'They read each other, and all stay with their answers.';
  const rest = stayed.length === 0 ? '' : `; ${listed(stayed.map(letter))} ${stayed.length === 1 ? 'stays' : 'stay'}`;
  return shown.length === 1 ? `Agent ${parts[0]}.` : `They read each other: ${listed(parts)}${rest}.`;
}

function outcomeSentence(index: LogIndex, recipe: Recipe | null, episode: Episode): string {
  const view = viewOf(episode);
  const outcome = outcomeOf(view);
  const scored = episode.verdicts.filter(({ scores }) => scores !== undefined).length;
  const vote = outcome !== null && 'by' in outcome ? outcome : null;
  if (!vote) {
    if (scored > 0) return `Its ${counted(episode.turns.length, 'answer')} are scored.`;
    return outcome ? `The answer is ${said(outcome)}${truth(index, episode, outcome)}.` : 'Nothing more is said.';
  }
  if ((vote.answer ?? null) === null) return 'No answer can be read, so there is no vote.';
  const result = `The vote: ${answerText(vote.answer ?? null)}, with ${vote.count ?? 0} of ${vote.of.length}`;
  const judged = `${result}${vote.tied ? ', drawn at random' : ''}${truth(index, episode, vote)}.`;
  if (episode.purpose === 'evaluation') return `${judged} Nobody learns from a test.`;
  const { config } = index.started ?? {};
  const none = unlearnt(index, view);
  if (none) return `${judged} ${none}`;
  const uses = recipe?.usesGold;
  const blind = config && recipe && uses !== true && !uses?.(config);
  return blind && isRightHere(index, episode, vote) === false ? `${judged} The agents are not told.` : judged;
}

/** What is said of a vote that is no label, by the fates of its turns; null where it is one, or where that is not known. */
function unlearnt(index: LogIndex, view: EpisodeView): string | null {
  const { config } = index.started ?? {};
  const vote = config && voteOf(view, fatesOf(index, config, view));
  if (!vote || vote.accepted) return null;
  return vote.why === DROPPED.fewVotes
    ? 'It has too few votes for a label: nobody learns from this problem.'
    : 'Nobody learns from this problem.';
}

type Outcome = Pick<Turn, 'answer' | 'right'>;

/** null where the truth is not known. */
function isRightHere(index: LogIndex, { problem }: Episode, said: Outcome): boolean | null {
  const known = index.problems.get(problem) ?? null;
  if (said.right === undefined && known?.gold === undefined) return null;
  return isRight(index, known, said);
}

function truth(index: LogIndex, episode: Episode, said: Outcome): string {
  const right = isRightHere(index, episode, said);
  if (right === null) return '';
  const gold = index.problems.get(episode.problem)?.gold;
  return right ? ', which is right' : `, which is wrong${gold === undefined ? '' : ` (${answerText(gold)} is right)`}`;
}

function dataSentence(index: LogIndex, { iteration, adapter }: DatasetBuilt): string {
  const sets = index.datasets.get(iteration) ?? [];
  const own = sets.find((set) => set.adapter === adapter);
  const learner = (name: string) => adapterLook(index.cast, name).label;
  if (sets.length > 1)
    return `The examples are chosen: ${counted(
      sets.reduce((sum, { examples }) => sum + examples.length, 0),
      'example',
    )} in ${sets.length} data sets.`;
  return `The examples for ${learner(adapter)} are chosen: ${own?.examples.length ?? 0}.`;
}

/** The loss is compared with that of the same adapters at their first step: some have fewer examples and are done earlier. */
function trainingSentence(index: LogIndex, { step, totalSteps, tracks, job }: TrainingStep): string {
  const steps = index.summary.filter(
    (event): event is TrainingStep => event.type === 'training-step' && event.job === job,
  );
  const first = steps[0]?.tracks ?? [];
  const own = tracks.map(({ adapter }) => adapter);
  const mean = (of: TrainingStep['tracks']) => of.reduce((sum, { loss }) => sum + loss, 0) / Math.max(1, of.length);
  const before = first.filter(({ adapter }) => own.includes(adapter));
  const done = Math.max(0, first.length - tracks.length);
  const who =
    tracks.length === 1
      ? `${capital(adapterLook(index.cast, own[0] ?? '').label)} ${done > 0 ? 'still learns' : 'learns'}`
      : `${tracks.length} adapters ${done > 0 ? 'still learn' : 'learn'}, each from its own examples`;
  const from = before.length > 0 && step > 0 ? ` after ${mean(before).toFixed(2)} at the start` : '';
  const loss = `${tracks.length === 1 ? '' : 'mean '}loss ${mean(tracks).toFixed(2)}${from}`;
  const rest = done === 0 ? '' : ` ${done === 1 ? 'One is' : `${done} are`} done.`;
  return `${who}: step ${step + 1} of ${totalSteps}, ${loss}.${rest}`;
}

function adapterSentence(index: LogIndex, { adapter, from }: AdapterVersion): string {
  const who = capital(adapterLook(index.cast, adapter).label);
  if ('imported' in from) return `${who} comes from a file.`;
  if ('merge' in from) return `${who} is merged from ${counted(from.merge.length, 'adapter')}.`;
  return `${who} has learnt in ${counted(from.steps, 'step')}.`;
}

function problemsSentence({ split, problems }: ProblemsDrawn): string {
  const which = split === 'train' ? 'training' : 'held-out';
  return `${counted(problems.length, `${which} problem`)} ${problems.length === 1 ? 'is' : 'are'} drawn.`;
}

function evaluationSentence(index: LogIndex, { iteration, learner, scores }: EvaluationDone): string {
  const { cast } = index;
  const wanted = cast.methods.find(({ key }) => key === cast.compare[0]?.[0])?.answer;
  const own = cast.methods.filter((method) => method.learner === learner);
  const method = own.find(({ answer }) => answer === wanted) ?? own.at(-1);
  const score = scores.find((one) => one.method === method?.key) ?? scores.at(-1);
  const who = learnerLook(cast, learner).name;
  if (!score) return `${capital(who)} was tested.`;
  const how = method ? ` (${wayOf(method.answer).label})` : '';
  const result = `${capital(who)} is right on ${score.right} of ${counted(score.n, 'held-out problem')}${how}`;
  if (iteration === 0) return `Before finetuning ${lower(result)}.`;
  const base = index.summary.find(
    (event): event is EvaluationDone => event.type === 'evaluation' && event.learner === cast.learners[0]?.key,
  );
  const baseMethod = cast.methods.find((one) => one.learner === base?.learner && one.answer === method?.answer);
  const before = base?.scores.find((one) => one.method === baseMethod?.key);
  // Who does not begin as the untouched model is tested at its start.
  const start = testAt(index, learner, 0)?.scores.find((one) => one.method === method?.key);
  const was = start
    ? `; before iteration 1 it was ${start.right}`
    : before
      ? `; before finetuning it was ${before.right}`
      : '';
  const told = `after iteration ${iteration} ${lower(result)}${was}.`;
  return learner === headlineLearner(cast) ? capital(told) : `For comparison, ${told}`;
}

function labelsSentence(index: LogIndex, { learner, accepted, acceptedRight, problems }: PseudoLabels): string {
  const whose =
    learner === headlineLearner(index.cast) ? '' : `For comparison, ${learnerLook(index.cast, learner).name}: `;
  return `${whose}${accepted} of ${problems} votes become labels to learn from; ${acceptedRight} of them are right.`;
}

function firstOfSeats(turns: readonly Turn[]): Turn[] {
  return turns.filter((turn, at) => turns.findIndex(({ seat }) => seat === turn.seat) === at);
}

function sameOrBothUnread(index: LogIndex, a: string | null, b: string | null): boolean {
  return (a === null && b === null) || sameAnswer(index, a, b);
}

const letter = (turn: Turn | undefined) => (turn ? agentLook(turn.seat).letter : '');
const said = (turn: Pick<Turn, 'answer'> | undefined) => answerText(turn?.answer ?? null);
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

/** "5, 5 and 7" */
function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
