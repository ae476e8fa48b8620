/** What is no regular file is refused by all who read a file that a person named, at once and with what to do. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { appendFile, cp, mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IrregularFileError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import { openRegular, readAt, readRegular } from '../../src/engine/regularFile-node';
import { openFile } from '../../src/engine/source';
import { StoredModelError } from '../../src/models/errors';
import { folderName } from '../../src/models/store';
import { FolderChunkStore } from '../../src/models/store-node';
import { main as dequantize } from '../../tools/cli/commands/dequantize';
import { main as train } from '../../tools/cli/commands/train';
import { keepCut } from '../../tools/cli/files';
import { readBytes } from '../../tools/cli/session';

const folder = mkdtempSync(join(tmpdir(), 'polylogue-regular-'));
const at = (name: string) => join(folder, name);
const pipe = at('pipe');
const socket = at('socket');
let server: Server;
beforeAll(async () => {
  execFileSync('mkfifo', [pipe]);
  server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const COPY = 'write what it gives into a file, and give that file';
const linux = process.platform === 'linux';
// A reader that waits for a pipe's writer would wait for ever.
const soon = { timeout: 20_000 };

describe('a path that a person named', soon, () => {
  it.each([
    ['a folder', folder, 'is a folder, not a file; give a file in its place'],
    ['a pipe without a writer', pipe, `is a pipe, not a regular file; ${COPY}`],
    ['a socket', socket, `is a socket, not a regular file; ${COPY}`],
    ['a device that never ends', '/dev/zero', `is a device, not a regular file; ${COPY}`],
  ])('is refused when it is %s', async (_, path, words) => {
    await expect(readRegular(path)).rejects.toThrow(IrregularFileError);
    await expect(readRegular(path)).rejects.toThrow(`${path}: ${words}`);
    await expect(openRegular(path, 'its name')).rejects.toThrow(`its name: ${words}`);
  });

  // Of size 0, and of 256 GiB when it is read to its end.
  it.runIf(linux).each(['/proc/self/pagemap', '/proc/self/maps'])('is refused when it is %s', async (path) => {
    await expect(readRegular(path)).rejects.toThrow(`${path}: has content and no size, so it is not a regular file`);
    await expect(readRegular(path)).rejects.toThrow(COPY);
  });

  it('is read when it is a file or leads to one, be it empty', async () => {
    await writeFile(at('text'), 'some text');
    await symlink('text', at('link'));
    await writeFile(at('empty'), '');
    for (const name of ['text', 'link'])
      expect(new TextDecoder().decode(await readRegular(at(name)))).toBe('some text');
    expect(await readRegular(at('empty'))).toHaveLength(0);
    await expect(readRegular(at('nowhere'))).rejects.toThrow(`${at('nowhere')}: no such file`);
  });

  it('is read as far as it went when it was opened, and no further than it goes', async () => {
    await writeFile(at('log'), 'one');
    const { handle, size } = await openRegular(at('log'));
    await appendFile(at('log'), ' two');
    expect(size).toBe(3);
    expect(new TextDecoder().decode(await readAt(handle, 1, 100))).toBe('ne two');
    await handle.close();
  });

  it('is refused when it is too large to be read as a whole', async () => {
    await writeFile(at('large'), '');
    await truncate(at('large'), 2 ** 31);
    await expect(readRegular(at('large'))).rejects.toThrow(
      `${at('large')}: 2,147,483,648 bytes in a file that is read as a whole are above the limit of 2,147,483,647`,
    );
    await rm(at('large'));
  });
});

describe('who reads such files refuses', soon, () => {
  const words = `is a pipe, not a regular file; ${COPY}`;

  it('files of a model, read as a whole or in parts', async () => {
    const source = folderSource(folder);
    await expect(source.read('pipe')).rejects.toThrow(`${pipe}: ${words}`);
    const file = openFile(source, 'pipe');
    await expect(file.size()).rejects.toThrow(`${pipe}: ${words}`);
    await expect(file.read(0, 8)).rejects.toThrow(`${pipe}: ${words}`);
    await file.close();
  });

  it('parts of a stored model', async () => {
    const store = new FolderChunkStore(folder);
    const model = 'me/model@main';
    await mkdir(at(folderName(model)), { recursive: true });
    const part = join(folder, folderName(model), 'part');
    execFileSync('mkfifo', [part]);
    await expect(store.read(model, 'part')).rejects.toThrow(StoredModelError);
    await expect(store.read(model, 'part')).rejects.toThrow(
      `${part}: ${words}. It stands for a part of ${model}: delete it and load the model again.`,
    );
  });

  it('problems, examples, texts and logs', async () => {
    await expect(readBytes(pipe)).rejects.toThrow(`${pipe}: ${words}`);
    const model = 'static/models/arithmetic-0.4m';
    await expect(train(['--model', model, '--data', pipe, '--out', at('adapter')])).rejects.toThrow(
      `${pipe}: ${words}`,
    );
    await expect(train(['--model', '/dev/zero', '--data', pipe, '--out', at('adapter')])).rejects.toThrow(
      '/dev/zero: is no folder; give the folder',
    );
    execFileSync('mkfifo', [at('log.jsonl.cut')]);
    await expect(keepCut(at('log.jsonl'), new Uint8Array(1))).rejects.toThrow(`${at('log.jsonl.cut')}: ${words}`);
  });

  it('what lies beside weights that are dequantised, before anything is written', async () => {
    const model = at('model');
    await cp('static/models/arithmetic-0.4m', model, { recursive: true });
    execFileSync('mkfifo', [join(model, 'merges.txt')]);
    const asked = dequantize(['--model', model, '--dtype', 'int8', '--out', at('out'), '--engine', 'reference']);
    await expect(asked).rejects.toThrow(`${join(model, 'merges.txt')}: ${words}`);
    expect(existsSync(at('out'))).toBe(false);
  });
});
