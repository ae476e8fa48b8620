/**
 * The command line of the lab: `npm run polylogue -- COMMAND …`. The command runs in a thread (thread.ts); this one keeps its log
 * and can end it whatever it does: Ctrl-C takes hold within two seconds, a second one at once.
 */
import { Worker } from 'node:worker_threads';
import { expose } from 'comlink';
import { InterruptedError, UsageError } from './args';
import { COMMANDS } from './commandList';
import { Desk } from './desk';
import { report } from './report';
import type { ThreadData } from './thread';

/** Milliseconds that a command has to end in its own way after Ctrl-C. */
const GRACE = 1_200;

const HELP = `polylogue: multiagent finetuning on this machine

  recipes     list the methods with their settings and presets
  run         run an experiment: a society debates, votes and finetunes itself
  compare     run several methods on the same problems: one table, one picture, paired tests
  generate    sample from a model, with or without an adapter
  score       log-probability of every token of a sequence, or perplexity of a text
  train       finetune a LoRA adapter on a JSONL file
  plan        bytes that a model takes on a device, before it is loaded
  dequantize  write the weights that a device computes with as F32
  grade       right or wrong for responses in a file, as a run would grade them
  link        write an experiment into an address, or read one
  open        what is in a run's bundle, or in a picture that the page exported
  replay      play a run's log at the terminal, event by event
  export      a run's bundle for other programs: PEFT, TRL, Python, tables, a page
  verify      check the claims of a run's bundle: its receipt, some of its units, or the whole run again
  bench       how fast this machine generates and trains, against what its device can do

  polylogue COMMAND --help lists the options of a command.
  Those that compute take --engine auto|webgpu|reference, all take --json.`;

/** To the main thread: the command can end in its own way after Ctrl-C; or it has ended, with this exit code. */
interface FromThread {
  stoppable?: true;
  ended?: number;
}

async function main(): Promise<number> {
  const [name, ...args] = process.argv.slice(2);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP + '\n');
    return name === undefined ? 1 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) throw new UsageError(`"${name}" is no command; there are ${Object.keys(COMMANDS).join(', ')}`);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write((await load()).help + '\n');
    return 0;
  }
  return runInThread(name, args);
}

/** Runs a command in a thread; resolves with its exit code. @throws InterruptedError when the thread had to be ended */
function runInThread(command: string, args: string[]): Promise<number> {
  const desk = new Desk();
  const { port1, port2 } = new MessageChannel();
  expose(desk, port1);
  const data: ThreadData = { command, args, desk: port2 };
  const thread = new Worker(new URL('./thread.mjs', import.meta.url), {
    workerData: data,
    transferList: [port2 as unknown as ArrayBuffer],
    execArgv: [],
  });
  return new Promise((resolve, reject) => {
    let stoppable = false;
    let interrupted = false;
    let over = false;
    const endNow = async (): Promise<void> => {
      // Not waited for: a thread inside of a driver ends when the driver lets it.
      void thread.terminate();
      const problem = await desk.keepStopped();
      const { out } = desk;
      if (problem !== null) reject(new InterruptedError(`${out} cannot be written (${problem})`));
      else if (out !== null) reject(new InterruptedError(`the log so far is in ${out}`));
      else reject(new InterruptedError(desk.running ? NOT_KEPT : 'nothing was finished'));
    };
    process.on('SIGINT', () => {
      if (interrupted) process.exit(130);
      interrupted = true;
      if (!stoppable) return void endNow();
      thread.postMessage('stop');
      setTimeout(() => void endNow(), GRACE);
    });
    thread.on('message', ({ stoppable: can, ended }: FromThread) => {
      if (can) stoppable = true;
      if (ended === undefined) return;
      over = true;
      resolve(ended);
    });
    let broken: unknown = new Error('the thread of the command ended early');
    thread.on('error', (error) => (broken = error));
    thread.on('exit', () => {
      // Ended on purpose: whoever ended it says so once the log is written.
      if (interrupted || over) return;
      void desk.keepStopped().then((problem) => {
        if (desk.out !== null && problem === null) process.stderr.write(`the log so far is in ${desk.out}\n`);
        reject(broken);
      });
    });
  });
}

const NOT_KEPT = 'with --out FILE.zip the log so far would have been kept';

/** Whoever reads may have read enough (`polylogue … | head`): that ends the program as SIGPIPE ends any other, without a word. */
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(141);
    throw error;
  });

/** Dawn's threads can keep Node alive, so the process ends itself once its output is written. */
function exit(code: number): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

main().then(exit, (error) => {
  report(error);
  // 130 is what a shell says of a program that Ctrl-C ended.
  exit(error instanceof InterruptedError ? 130 : 1);
});
