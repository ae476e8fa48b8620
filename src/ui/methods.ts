/** How the plots tell the compared methods apart: colour by whose weights play, mark and dash by how they are asked. */
import { METHODS, type MethodKey } from '../log/results';
import type { Shape } from './agents';

export type Measure = (typeof METHODS)[number]['measure'];

export const MEASURES: readonly { measure: Measure; label: string; shape: Shape; dash: string }[] = [
  { measure: 'single', label: 'one sample', shape: 'circle', dash: '1 4' },
  { measure: 'majority', label: 'majority of N', shape: 'square', dash: '6 4' },
  { measure: 'debate', label: 'debate', shape: 'triangle', dash: '' },
];

export const TEAM_LOOKS = {
  base: { label: 'base model', color: 'var(--team-base)' },
  single: { label: 'single-agent finetuning', color: 'var(--team-single)' },
  society: { label: 'society finetuning', color: 'var(--team-society)' },
} as const;

/** Who debates, in a word or two. */
export const TEAM_NAMES = { base: 'untouched model', single: 'one model', society: 'society' } as const;

export interface MethodLook {
  key: MethodKey;
  label: string;
  team: keyof typeof TEAM_LOOKS;
  measure: Measure;
  color: string;
  shape: Shape;
  dash: string;
}

export const METHOD_LOOKS: readonly MethodLook[] = METHODS.map(({ key, label, team, measure }) => {
  const { shape, dash } = MEASURES.find((entry) => entry.measure === measure)!;
  return { key, label, team, measure, color: TEAM_LOOKS[team].color, shape, dash };
});
