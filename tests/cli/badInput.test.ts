/** What commands refuse before they compute, in the words that a person reads. In this process: what a program adds is in cli.test.ts. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openOnnxVoice } from '../../src/lab/setup/onnxVoice';
import { FolderChunkStore } from '../../src/models/store-node';
import { resolveConfig } from '../../src/recipes/resolve';
import { readRuntime } from '../../src/recipes/seats';
import { UsageError } from '../../tools/cli/args';
import { main as bench } from '../../tools/cli/commands/bench';
import { main as run } from '../../tools/cli/commands/run';
import { ONNX_PARTS } from '../../tools/cli/voices';

it('bench: names what does not go with a comparison of runtimes, and a file that cannot be written', async () => {
  for (const [name, value] of Object.entries({ file: 'x.json', engine: 'webgpu', rank: '4', shape: 'SmolLM2-135M' })) {
    const asked = bench(['--runtimes', `--${name}`, value]);
    await expect(asked).rejects.toThrow(new UsageError(`--${name} does not go with --runtimes; leave it out`));
  }
  await expect(bench(['--with', 'endpoint:http://127.0.0.1:1/v1#x'])).rejects.toThrow('--with goes with --runtimes');
  await expect(bench(['--runtimes', '--with', 'vllm:x'])).rejects.toThrow('"vllm" is no runtime');
  await expect(bench(['--file', join(tmpdir(), 'nowhere', 'x.json')])).rejects.toThrow('there is no folder');
});

it('run: seats are named in one way', async () => {
  const seats = ['--seat', '2=transformers:arithmetic-0.4m', '--set', 'seats=3=transformers:arithmetic-0.4m'];
  await expect(run(seats)).rejects.toThrow('--seat and --set seats=… say the same; give one of them');
});

it('a seat: names the runtime beside the file that is missing, and the files of a model', async () => {
  const request = { config: resolveConfig('arithmetic-tiny', { seed: 1 }), signal: new AbortController().signal };
  const open = (address: string) =>
    openOnnxVoice(ONNX_PARTS, { spec: readRuntime('seats', `transformers:${address}`), ...request });
  await expect(open('nowhere')).rejects.toThrow(
    'transformers:nowhere: nowhere/tokenizer.json: no such file. A model for it has config.json, tokenizer.json',
  );
  await expect(open('README.md')).rejects.toThrow('README.md/tokenizer.json: a file stands where a folder should be.');
});

it('models of a hub: names the place where they cannot be kept', async () => {
  const store = new FolderChunkStore('README.md');
  const said = 'README.md, where models are kept, cannot be read (a file stands where a folder should be).';
  await expect(store.models()).rejects.toThrow(said);
  await expect(store.write('me/model', 'manifest.json', new Uint8Array(1))).rejects.toThrow(
    /cannot be written \(a file stands where a folder should be\)\. Models are kept in README\.md; make room/,
  );
});
