import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { openParts } from '../../src/lab/setup/parts';
import { ConfigurationError } from '../../src/recipes/errors';
import { resolveConfig } from '../../src/recipes/resolve';
import { checkRoom } from '../../src/recipes/room';
import { taskFor } from '../../src/tasks';
import type { Task } from '../../src/tasks/types';
import { TINY_CONFIG, tinyFiles, tinySource } from '../tasks/tinyChatModel';

const SETTINGS = { trainProblems: 6, evaluationProblems: 5, 'sampling.maxTokens': 100 };

describe('checkRoom', () => {
  let tokenizer: ChatTokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(tinySource());
  });

  const configOf = (settings: Record<string, string | number> = {}) =>
    resolveConfig('arithmetic-chat', { ...SETTINGS, ...settings });
  const task = taskFor(configOf());
  const lengths = (prompt: (task: Task) => Task['solvePrompt']) =>
    Promise.all(
      [...task.problems('evaluation', 5, 0), ...task.problems('train', 6, 0)].map(
        async (problem) => (await tokenizer.encodeChat(prompt(task)(problem), true)).length,
      ),
    );
  const refusal = async (
    context: number,
    settings: Record<string, string | number> = {},
  ): Promise<ConfigurationError | null> => {
    try {
      await checkRoom(configOf(settings), task, tokenizer, context, 'tiny');
      return null;
    } catch (error) {
      if (error instanceof ConfigurationError) return error;
      throw error;
    }
  };

  it('refuses what no problem has room for, and says the largest response that one has', async () => {
    const solve = await lengths(({ solvePrompt }) => solvePrompt);
    const least = Math.min(...solve);
    expect(Math.max(...solve)).toBeGreaterThan(least);
    // As soon as one problem fits the run may begin.
    expect(await refusal(least + 100, { rounds: 1 })).toBe(null);
    const error = await refusal(least + 99, { rounds: 1 });
    expect(error?.key).toBe('sampling.maxTokens');
    expect(error?.message).toContain('choose at most 99,');
    expect(await refusal(least + 99, { rounds: 1, 'sampling.maxTokens': 99 })).toBe(null);
    expect((await refusal(least))?.key).toBe('model');
    expect((await refusal(least))?.message).toContain(`takes ${least} tokens, and tiny reads ${least}`);
  });

  it('refuses revisions without room for a single token', async () => {
    const least = Math.min(
      ...(await lengths(
        ({ revisePrompt }) =>
          (problem) =>
            revisePrompt(problem, '.', '.'),
      )),
    );
    expect(await refusal(least + 1, { 'sampling.maxTokens': 1 })).toBe(null);
    const error = await refusal(least, { 'sampling.maxTokens': 1 });
    expect(error?.key).toBe('rounds');
    expect(error?.message).toContain('rounds=1');
    expect(await refusal(least, { 'sampling.maxTokens': 1, rounds: 1 })).toBe(null);
    // A recipe whose roles always read each other has no setting that would leave it out.
    const config = resolveConfig('arithmetic-chat', { ...SETTINGS, 'sampling.maxTokens': 1 }, 'malt');
    await expect(checkRoom(config, taskFor(config), tokenizer, least, 'tiny')).rejects.toThrow(
      /^model: the shortest prompt of a revision .*; choose a model with a longer context/,
    );
  });

  it('looks at new problems where every iteration draws some, and leaves the compact dialect alone', async () => {
    expect(await refusal(4096, { problems: 'fresh' })).toBe(null);
    const compact = resolveConfig('arithmetic-tiny');
    await checkRoom(compact, taskFor(compact), tokenizer, 20, 'tiny');
  });

  it('is asked before a model is loaded', async () => {
    const files: Record<string, Uint8Array> = {
      ...tinyFiles(),
      'config.json': new TextEncoder().encode(JSON.stringify({ ...TINY_CONFIG, max_position_embeddings: 128 })),
    };
    const read: string[] = [];
    const source = {
      name: 'tiny',
      read: async (path: string) => {
        read.push(path);
        return files[path] ?? Promise.reject(new Error(`no ${path}`));
      },
      exists: async (path: string) => path in files,
    };
    const sources = { openModel: async () => source, loadTokenizer };
    const config = configOf({ model: 'tiny' });
    const measured = task.problems('evaluation', 5, 0);
    const opened = openParts(sources, 'http://lab/', config, { task, measured }, 'f32');
    await expect(opened).rejects.toThrow(ConfigurationError);
    expect(read).not.toContain('model.safetensors');
  });
});
