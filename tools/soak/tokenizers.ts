/** Mutated tokenizers and templates, bombs among them: each answers, is refused, or is ended with a message. */
import { tokenizersIn, type TokenizerLimits } from '../../src/backends/tokenizerRemote';
import { FileError } from '../../src/engine/errors';
import type { FileSource } from '../../src/engine/source';
import type { Body } from '../../src/supervision';
import type { ChatMessage } from '../../src/tasks/types';
import { tokenizerThread } from '../cli/tokenizer';
import { mutant } from './mutations';

export interface TokenizerSoak {
  /** Mutants that answered all questions, that were refused by file, and that were ended. */
  answered: number;
  refused: number;
  ended: number;
  /** Neither of these: numbers of the mutants, with what was thrown. */
  wrong: string[];
  /** Milliseconds of the slowest mutant that was not ended, and of the slowest that was. */
  slowest: number;
  slowestEnded: number;
}

const TALK: ChatMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: `the e${'a'.repeat(60)}! {{ x }} <|im_end|> 123 ${'x'.repeat(40)}` },
];
const LIMITS: TokenizerLimits = { open: 5_000, answer: 2_000 };

/**
 * @param count mutants, numbered from 0: the same for the same seed
 * @param onProgress after every mutant
 */
export async function soakTokenizers(
  count: number,
  seed: number,
  { limits = LIMITS, onProgress }: { limits?: TokenizerLimits; onProgress?: (done: number) => void } = {},
): Promise<TokenizerSoak> {
  const bodies = new Set<Body>();
  const open = tokenizersIn(
    () => {
      const body = tokenizerThread();
      bodies.add(body);
      return body;
    },
    { limits },
  );
  const result: TokenizerSoak = { answered: 0, refused: 0, ended: 0, wrong: [], slowest: 0, slowestEnded: 0 };
  try {
    // The thread itself takes a while to start; that is no mutant's time.
    await one(open, seed, -1);
    for (let number = 0; number < count; number++) {
      const started = performance.now();
      const outcome = await one(open, seed, number);
      const took = performance.now() - started;
      if (outcome === 'ended') result.slowestEnded = Math.max(result.slowestEnded, took);
      else result.slowest = Math.max(result.slowest, took);
      if (outcome === 'answered' || outcome === 'refused' || outcome === 'ended') result[outcome]++;
      else result.wrong.push(`${number}: ${outcome}`);
      onProgress?.(number + 1);
    }
  } finally {
    bodies.forEach((body) => body.end());
  }
  return result;
}

async function one(open: ReturnType<typeof tokenizersIn>, seed: number, number: number): Promise<string> {
  const { tokenizer, config } = mutant(seed, Math.max(0, number));
  const source: FileSource = {
    name: 'mutant',
    read: async (path) => new TextEncoder().encode(path === 'tokenizer.json' ? tokenizer : config),
    exists: async () => false,
  };
  try {
    const opened = await open(source);
    const ids = await opened.encodeChat(TALK, true);
    opened.decode(ids);
    await opened.encodeTurn(TALK, 'Ho');
    await opened.encode((TALK[1] as ChatMessage).content);
    return 'answered';
  } catch (error) {
    if (!(error instanceof FileError)) return String(error);
    return /It was ended/.test(error.message) ? 'ended' : 'refused';
  }
}
