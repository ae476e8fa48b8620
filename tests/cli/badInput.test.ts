/** What commands refuse before they compute, in the words that a person reads. In this process: what a program adds is in cli.test.ts. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { UsageError } from '../../tools/cli/args';
import { main as bench } from '../../tools/cli/commands/bench';

it('bench: names what does not go with a comparison of runtimes, and a file that cannot be written', async () => {
  for (const [name, value] of Object.entries({ file: 'x.json', engine: 'webgpu', rank: '4', shape: 'SmolLM2-135M' })) {
    const asked = bench(['--runtimes', `--${name}`, value]);
    await expect(asked).rejects.toThrow(new UsageError(`--${name} does not go with --runtimes; leave it out`));
  }
  await expect(bench(['--with', 'endpoint:http://127.0.0.1:1/v1#x'])).rejects.toThrow('--with goes with --runtimes');
  await expect(bench(['--runtimes', '--with', 'vllm:x'])).rejects.toThrow('"vllm" is no runtime');
  await expect(bench(['--file', join(tmpdir(), 'nowhere', 'x.json')])).rejects.toThrow('there is no folder');
});
