/** Who takes part in a run, where recipes share it. */
import type { Agent, Learner, Method } from '../events';
import { callsOfSociety, type SocietySize } from './societyCalls';

/** A, B, C, … of a seat. */
export function letter(seat: number): string {
  return String.fromCharCode(65 + seat);
}

/** The frozen model without an adapter. */
export function baseAgent(): Agent {
  return { id: 'base', label: 'untouched model', role: 'untouched model', seat: null, adapter: null };
}

export function baseLearner(): Learner {
  return { key: 'base', label: 'Base, no finetuning', name: 'the untouched model', agents: [] };
}

/** One adapter at every seat. */
export function singleAgent(): Agent {
  return { id: 'single', label: 'single model', role: 'single model', seat: null, adapter: 'single' };
}

export function singleLearner(): Learner {
  return { key: 'single', label: 'Single-agent finetuning', name: 'one model', agents: ['single'] };
}

/**
 * A learner's three ways of answering: one sample, the majority of N, and a debate of M rounds with its summaries.
 * @param keys of the methods by way: single, majority, debate
 * @param words before each label, and the labels by way
 */
export function methodsOf(
  learner: string,
  keys: Readonly<Record<string, string>> = {},
  [prefix, labels]: [string, Record<string, string>] = ['', {}],
  size: SocietySize,
): Method[] {
  const calls: Record<string, number> = { single: 1, majority: size.agents, debate: callsOfSociety(size) };
  return Object.entries(keys).map(([answer, key]) => ({
    key,
    label: `${prefix}${labels[answer] ?? answer}`,
    learner,
    answer,
    calls: calls[answer] ?? 1,
  }));
}
