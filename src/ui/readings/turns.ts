/** Turns in words: what was asked of them, and texts that are read and not answered. */
import type { Agent, Cast, Turn } from '../../events';
import { promptOf } from '../../society/prompts';
import { TaskError } from '../../tasks/errors';
import type { ChatMessage } from '../../tasks/types';
import { agentLook } from '../agents';
import type { EpisodeView } from './episodes';
import type { DebateRow, LogIndex } from './logIndex';

/** What a turn was asked; empty where this version does not know the task or has no words for such turns. */
export function promptTo(index: LogIndex, { debate, problem }: DebateRow, turn: Turn): ChatMessage[] {
  if (!index.task || !problem) return [];
  try {
    return promptOf(index.task, problem, debate.episode, turn).messages;
  } catch (error) {
    if (error instanceof TaskError) return [];
    throw error;
  }
}

/** How the answers of a layer come about: "everybody has read the others". */
export function layerText({ responses }: EpisodeView, layer: number): string | null {
  const turns = responses[layer] ?? [];
  const kinds = [...new Set(turns.map(({ kind }) => kind))];
  const [kind] = kinds;
  if (kind === undefined) return null;
  if (kinds.length > 1) return kinds.join(', ');
  const text = Object.hasOwn(LAYERS, kind) ? LAYERS[kind] : undefined;
  return (turns.length === 1 ? text?.one : text?.many) ?? kind;
}

const LAYERS: Readonly<Record<string, { one: string; many: string }>> = {
  answer: { one: 'one answer', many: 'everybody answers alone' },
  revision: { one: 'one answer, revised', many: 'everybody has read the others' },
  hint: { one: 'asked again with the true answer as a hint', many: 'asked again with the true answer as a hint' },
};

/** A text that nobody takes an answer from, such as a summary. */
export interface ReadText {
  turn: Turn;
  /** "summary by the untouched model" */
  label: string;
}

/** Texts without an answer that a turn read. */
export function textsRead(cast: Cast, { episode }: EpisodeView, { parents }: Turn): ReadText[] {
  return parents.flatMap((at) => {
    const turn = episode.turns[at];
    return turn && turn.answer === undefined ? [readText(cast, turn)] : [];
  });
}

/** Texts without an answer in a layer that no answer read: nothing else shows them. */
export function textsUnread(cast: Cast, { episode }: EpisodeView, layer: number): ReadText[] {
  const { turns } = episode;
  const read = new Set(turns.filter(({ answer }) => answer !== undefined).flatMap(({ parents }) => parents));
  return turns.flatMap((turn, at) =>
    turn.layer === layer && turn.answer === undefined && !read.has(at) ? [readText(cast, turn)] : [],
  );
}

function readText(cast: Cast, turn: Turn): ReadText {
  const agent = agentOf(cast, turn);
  const by = !agent ? turn.agent : agent.seat === null ? `the ${agent.label}` : agent.label;
  return { turn, label: `${turn.kind} by ${by}` };
}

function agentOf({ agents }: Cast, turn: Turn): Agent | undefined {
  return agents.find(({ id }) => id === turn.agent);
}

/** Who spoke: "Agent A", and its role where a layer has several. */
export function speakerOf(cast: Cast, { responses }: EpisodeView, layer: number, turn: Turn): string {
  const roles = new Set((responses[layer] ?? []).map((one) => agentOf(cast, one)?.role));
  const role = roles.size > 1 ? agentOf(cast, turn)?.role : undefined;
  const name = `Agent ${agentLook(turn.seat).letter}`;
  return role === undefined ? name : `${name}, ${role}`;
}
