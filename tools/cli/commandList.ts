/** The commands, by name. Each is loaded when it is asked for. */

export interface Command {
  help: string;
  main(args: string[]): Promise<void>;
}

export const COMMANDS: Record<string, () => Promise<Command>> = {
  recipes: () => import('./commands/recipes'),
  run: () => import('./commands/run'),
  generate: () => import('./commands/generate'),
  score: () => import('./commands/score'),
  train: () => import('./commands/train'),
  plan: () => import('./commands/plan'),
  dequantize: () => import('./commands/dequantize'),
  grade: () => import('./commands/grade'),
  bench: () => import('./commands/bench'),
};
