/** Stored models in a folder on disk, for the command line and the tests. Kept apart: browsers never see node:fs. */
import { mkdir, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IrregularFileError } from '../engine/errors';
import { diskProblem, openRegular, readAt } from '../engine/regularFile-node';
import { ModelStorageFullError, ModelStorageUnavailableError, StoredModelError } from './errors';
import { exclusively, folderName, missing, modelOfFolder, type ChunkStore } from './store';

export class FolderChunkStore implements ChunkStore {
  private readonly busy = new Set<string>();

  /** @param root made when the first file is written */
  constructor(private readonly root: string) {}

  async models(): Promise<string[]> {
    const names = await readdir(this.root).catch(emptyWhenMissing(this.root));
    return names.map(modelOfFolder).filter((model) => model !== null);
  }

  async list(model: string): Promise<{ name: string; size: number }[]> {
    const names = await readdir(this.folder(model)).catch(emptyWhenMissing(this.folder(model)));
    const kept = names.filter((name) => !name.endsWith('.tmp'));
    return Promise.all(kept.map(async (name) => ({ name, size: (await stat(join(this.folder(model), name))).size })));
  }

  async write(model: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const path = join(this.folder(model), name);
    try {
      await mkdir(this.folder(model), { recursive: true });
      // Renaming is atomic: a reader sees the whole file or none.
      await writeFile(`${path}.tmp`, bytes);
      await rename(`${path}.tmp`, path);
    } catch (cause) {
      await rm(`${path}.tmp`, { force: true }).catch(() => {});
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOSPC' || code === 'EDQUOT') throw new ModelStorageFullError(null, null, { cause });
      throw new ModelStorageUnavailableError(
        `${path} cannot be written (${diskProblem(cause)}). Models are kept in ${this.root}; make room for them, or name another folder.`,
        { cause },
      );
    }
  }

  async read(model: string, name: string, from = 0, to?: number): Promise<Uint8Array<ArrayBuffer>> {
    const path = join(this.folder(model), name);
    const { handle, size } = await openRegular(path).catch((cause: unknown) => {
      if (!(cause instanceof IrregularFileError)) throw missing(model, name, { cause });
      const problem = `${cause.message}. It stands for a part of ${model}: delete it and load the model again.`;
      throw new StoredModelError(problem, { cause });
    });
    try {
      const end = Math.max(from, Math.min(to ?? Infinity, size));
      const bytes = await readAt(handle, from, end);
      if (bytes.length < end - from) throw missing(model, name);
      return bytes;
    } finally {
      await handle.close();
    }
  }

  async remove(model: string, name: string): Promise<void> {
    await rm(join(this.folder(model), name), { force: true });
  }

  async removeModel(model: string): Promise<void> {
    await rm(this.folder(model), { recursive: true, force: true });
  }

  async estimate(): Promise<{ usedBytes: number; quotaBytes: number } | null> {
    const disk = await statfs(this.root).catch(() => null);
    if (disk === null) return null;
    return { usedBytes: (disk.blocks - disk.bavail) * disk.bsize, quotaBytes: disk.blocks * disk.bsize };
  }

  exclusive<T>(model: string, work: () => Promise<T>): Promise<T> {
    return exclusively(this.busy, model, work);
  }

  private folder(model: string): string {
    return join(this.root, folderName(model));
  }
}

const emptyWhenMissing =
  (folder: string) =>
  (error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new ModelStorageUnavailableError(
      `${folder}, where models are kept, cannot be read (${diskProblem(error)}). Name another folder.`,
      { cause: error },
    );
  };
