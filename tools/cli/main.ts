/** The command line of the lab: `npm run polylogue -- COMMAND …`. */
import { PolylogueError } from '../../src/engine/errors';
import { InterruptedError, UsageError } from './args';

const HELP = `polylogue: multiagent finetuning on this machine

  run         run an experiment: a society debates, votes and finetunes itself
  generate    sample from a model, with or without an adapter
  score       log-probability of every token of a sequence, or perplexity of a text
  train       finetune a LoRA adapter on a JSONL file
  plan        bytes that a model takes on a device, before it is loaded
  dequantize  write the weights that a device computes with as F32
  grade       right or wrong for responses in a file, as a run would grade them
  bench       how fast this machine generates and trains, against what its device can do

  polylogue COMMAND --help lists the options of a command.
  Those that compute take --engine auto|webgpu|reference, all take --json.`;

interface Command {
  help: string;
  main(args: string[]): Promise<void>;
}

const COMMANDS: Record<string, () => Promise<Command>> = {
  run: () => import('./commands/run'),
  generate: () => import('./commands/generate'),
  score: () => import('./commands/score'),
  train: () => import('./commands/train'),
  plan: () => import('./commands/plan'),
  dequantize: () => import('./commands/dequantize'),
  grade: () => import('./commands/grade'),
  bench: () => import('./commands/bench'),
};

async function main(): Promise<number> {
  const [name, ...args] = process.argv.slice(2);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP + '\n');
    return name === undefined ? 1 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) throw new UsageError(`"${name}" is no command; there are ${Object.keys(COMMANDS).join(', ')}`);
  const command = await load();
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command.help + '\n');
    return 0;
  }
  await command.main(args);
  return 0;
}

/** One line without a stack trace; POLYLOGUE_DEBUG=1 adds the trace for those who mend the program. */
function report(error: unknown): void {
  const known = error instanceof PolylogueError;
  const message = error instanceof Error ? error.message : String(error);
  const oneLine = message.replace(/\s*\n\s*/g, ' ');
  process.stderr.write(`polylogue: ${known ? '' : 'unexpected: '}${oneLine}\n`);
  if (process.env['POLYLOGUE_DEBUG'] && error instanceof Error) process.stderr.write((error.stack ?? '') + '\n');
}

/** Dawn's threads can keep Node alive, so the process ends itself once its output is written. */
function exit(code: number): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

main().then(exit, (error) => {
  report(error);
  // 130 is what a shell says of a program that Ctrl-C ended.
  exit(error instanceof InterruptedError ? 130 : 1);
});
