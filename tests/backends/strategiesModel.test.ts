/** The embedded model of sums by strategies speaks every form of its task, one token a character. */
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { folderSource } from '../../src/engine/loader-node';
import { chainOf, STRATEGIES, strategies, sumsOf } from '../../src/tasks/strategies';

const FOLDER = 'static/models/strategies-0.25m';
let tokenizer: ChatTokenizer;

beforeAll(async () => {
  tokenizer = await loadTokenizer(folderSource(FOLDER));
});

describe('the tokenizer of the strategies model', () => {
  const problems = sumsOf([0, 1, 2, 3, 4, 5, 6]).filter((_, at) => at % 37 === 0);

  it('writes and reads every chain', async () => {
    for (const problem of problems) {
      for (const strategy of STRATEGIES) {
        for (const mistaken of [false, true]) {
          const chain = chainOf(problem, strategy, mistaken);
          const ids = await tokenizer.encode(chain);
          expect(ids).toHaveLength(chain.length);
          expect(tokenizer.decode(ids)).toBe(chain);
        }
      }
    }
  });

  it('writes every form of prompt between <s> and =, with up to nine others', async () => {
    for (const problem of problems.slice(0, 10)) {
      const others = ['75', null, '158', '75', '65', '78', '77', '74', '76'];
      const forms = [
        strategies.solvePrompt(problem),
        strategies.revisePrompt(problem, '75', strategies.summarise(others)),
        strategies.revisePrompt(problem, null, strategies.summarise(others.slice(0, 1))),
        strategies.verifyPrompt?.(problem, '75'),
        strategies.refinePrompt?.(problem, '75', null),
        strategies.hintPrompt?.(problem, problem.gold),
      ];
      for (const messages of forms) {
        const ids = await tokenizer.encodeChat(messages ?? [], true);
        expect([ids[0], tokenizer.decode(ids.slice(1))]).toEqual([1, `${messages?.[0]?.content}=`]);
        expect(ids).not.toContain(3);
        // The context of 128 holds the longest of them and a response.
        expect(ids.length).toBeLessThan(64);
      }
    }
  });
});
