/** What the stage asks of the lab. The page's client has these as methods. */
import type { EpisodeKey } from '../../events';
import type { StepUnit } from '../../lab/types';
import type { Shown } from '../../recipes/human';

export interface StageControls {
  /** Holds before the next operation on the device. */
  pause(): unknown;
  /** Goes on with the held run. */
  resume(): unknown;
  /** Goes on until the next unit is done, and holds there. */
  step(unit: StepUnit): unknown;
  /** Milliseconds that each part of the loop stays on show; 0 = full speed. */
  setPace(milliseconds: number): unknown;
  stop(): unknown;
  /** A person's pick of the pair on show. */
  pick(at: EpisodeKey, shown: Shown): unknown;
}

const KEYS_OFF = 'polylogue-keys-off';

/** The visitor wants no keys of one character. */
export function keysOff(): boolean {
  return localStorage.getItem(KEYS_OFF) === 'yes';
}

export function setKeysOff(off: boolean): void {
  localStorage.setItem(KEYS_OFF, off ? 'yes' : 'no');
}

/** Speeds a visitor can choose; the pace is in milliseconds a part. */
export const SPEEDS = [
  { pace: 0, label: 'Full speed' },
  { pace: 1_250, label: 'Slow motion' },
  { pace: 3_500, label: 'Slow motion, time to read' },
] as const;
