/** The thread in which a command runs: engine, recipe and all. The main thread can end it whatever it does (main.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import { wrap, type Remote } from 'comlink';
import { InterruptedError } from './args';
import { COMMANDS } from './commandList';
import type { DeskApi } from './desk';
import { report } from './report';
import { setDesk, stopped } from './surroundings';

/** From the main thread. */
export interface ThreadData {
  command: string;
  args: string[];
  desk: MessagePort;
}

const { command, args, desk } = workerData as ThreadData;
setDesk(wrap<DeskApi>(desk) as Remote<DeskApi>);
parentPort?.on('message', stopped);

/** Only once all that was written has arrived. */
function end(code: number): void {
  process.stdout.write('', () => process.stderr.write('', () => parentPort?.postMessage({ ended: code })));
}

async function run(): Promise<number> {
  const { main } = await COMMANDS[command]!();
  return (await main(args)) ?? 0;
}

run().then(end, (error: unknown) => {
  report(error);
  // 130 is what a shell says of a program that Ctrl-C ended.
  end(error instanceof InterruptedError ? 130 : 1);
});
