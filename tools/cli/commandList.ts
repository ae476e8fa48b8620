/** The commands, by name. Each is loaded when it is asked for. */

export interface Command {
  help: string;
  /** Resolves with the exit code, where it is another than 0. @throws what `report` prints; the exit code is then 1 */
  main(args: string[]): Promise<number | void>;
}

export const COMMANDS: Record<string, () => Promise<Command>> = {
  recipes: () => import('./commands/recipes'),
  run: () => import('./commands/run'),
  compare: () => import('./commands/compare'),
  generate: () => import('./commands/generate'),
  score: () => import('./commands/score'),
  train: () => import('./commands/train'),
  plan: () => import('./commands/plan'),
  dequantize: () => import('./commands/dequantize'),
  grade: () => import('./commands/grade'),
  link: () => import('./commands/link'),
  open: () => import('./commands/open'),
  replay: () => import('./commands/replay'),
  export: () => import('./commands/export'),
  verify: () => import('./commands/verify'),
  bench: () => import('./commands/bench'),
};
