/**
 * Starts the command line in a process of its own and passes on what it writes to stderr, but for Dawn's remarks on software
 * drivers: Dawn lowers two limits that it does not use, prints two lines about it for every device, and has no option against it.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const REMARK = /^Warning: max\w+ artificially reduced from \d+ to \d+ to fit dynamic offset allocation limit\.\r?$/;
const BEGINNING = 'Warning: max';

/** @returns {(chunk: string) => string} what of the text so far is to be passed on; a line that may be a remark waits for its end */
function withoutRemarks() {
  let held = '';
  return (chunk) => {
    const lines = (held + chunk).split('\n');
    const rest = lines.pop() ?? '';
    const passed = lines.filter((line) => !REMARK.test(line)).map((line) => line + '\n');
    const mayBe = rest !== '' && (BEGINNING.startsWith(rest) || rest.startsWith(BEGINNING));
    held = mayBe ? rest : '';
    return passed.join('') + (mayBe ? '' : rest);
  };
}

const own = (name) => fileURLToPath(new URL(name, import.meta.url));
const args = [
  '--import',
  import.meta.resolve('tsx'),
  '--import',
  new URL('register.mjs', import.meta.url).href,
  own('main.ts'),
];
const child = spawn(process.execPath, [...process.execArgv, ...args, ...process.argv.slice(2)], {
  stdio: ['inherit', 'inherit', 'pipe'],
  // Progress is for those who watch; the child's stderr is a pipe.
  env: { ...process.env, ...(process.stderr.isTTY && { POLYLOGUE_PROGRESS: '1' }) },
});
const filter = withoutRemarks();
child.stderr.setEncoding('utf8').on('data', (chunk) => process.stderr.write(filter(chunk)));
child.on('error', (error) => {
  process.stderr.write(`polylogue: ${error.message}\n`);
  process.exitCode = 1;
});
// Ctrl-C in a terminal reaches the child as well, which ends in its own way; what is sent to this process alone is passed on.
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) child.kill('SIGINT');
});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('close', (code, signal) => {
  process.stderr.write(filter('\n').replace(/\n$/, ''));
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else process.exitCode = code ?? 1;
});
