/** A run's work in responses and tokens, from what its recipe says that it needs. Plan, estimate and progress read these. */
import type { RunConfig } from './config';
import { recipeNamed } from './index';
import { speaksChat } from './resolve';
import { seatedShareOf, withoutFrozen } from './seatedNeed';
import type { Need } from './types';

/** What a run asks of the device, before it starts. */
export interface WorkEstimate {
  /** Responses, and summaries by a model, of all runtimes. */
  calls: number;
  /** Of those, the ones of runtimes beside the engine. */
  otherCalls: number;
  /** By the engine. */
  generatedTokens: number;
  /** Tokens of all training sequences, prompts included, over all epochs. */
  trainedTokens: number;
  /** Tokens of sequences that are read once and not learnt, prompts included. */
  readTokens: number;
  /** Share of the responses that only test. */
  testShare: number;
}

/** Lengths that the estimate assumes. */
export interface WorkAssumptions {
  /** Tokens of a prompt that quotes nobody and of one that quotes others, chat template included. */
  solvePrompt: number;
  revisePrompt: number;
  /** Tokens of a response, end token included. */
  response: number;
}

/** Lengths as measured on the embedded model with N = 3. */
export const ARITHMETIC_WORK: WorkAssumptions = { solvePrompt: 13, revisePrompt: 22, response: 40 };

/** Lengths as measured on the embedded model of sums by strategies, N = 3. */
export const STRATEGIES_WORK: WorkAssumptions = { solvePrompt: 7, revisePrompt: 16, response: 10 };

/** Of tasks in the compact dialect whose lengths are not those of arithmetic. */
const COMPACT_WORK: Readonly<Record<string, WorkAssumptions>> = { strategies: STRATEGIES_WORK };

/** Rough lengths of word problems and short solutions in words, for models of half a billion parameters or more. */
export const CHAT_WORK: WorkAssumptions = { solvePrompt: 150, revisePrompt: 750, response: 250 };

/** What the recipe says that a run needs of the engine: agents that another runtime plays learn nothing and hold no adapter. */
export function needOf(config: RunConfig): Need {
  const recipe = recipeNamed(config.recipe);
  return withoutFrozen(recipe.cost(config), config, recipe.cast(config));
}

/** Share of the calls at a table that other runtimes answer, 0..1. */
function seatedShare(config: RunConfig): number {
  const recipe = recipeNamed(config.recipe);
  return seatedShareOf(config, recipe.cast(config), recipe.cost(config).seats);
}

export function assumptionsOf(config: RunConfig): WorkAssumptions {
  return speaksChat(config) ? CHAT_WORK : (COMPACT_WORK[config.task] ?? ARITHMETIC_WORK);
}

/** Work of a whole run, expected, not guaranteed: data sets depend on what the agents say. */
export function estimateWork(config: RunConfig, assume = assumptionsOf(config)): WorkEstimate {
  const { solvePrompt, revisePrompt, response } = assume;
  let calls = 0;
  let tests = 0;
  let others = 0;
  const share = seatedShare(config);
  let trained = 0;
  let read = 0;
  for (const work of needOf(config).work) {
    if (work.kind === 'episodes') {
      calls += work.calls;
      others += share * (work.table ?? work.calls);
      if (work.purpose === 'evaluation') tests += work.calls;
      continue;
    }
    const tokens = work.solve * (solvePrompt + response) + work.revise * (revisePrompt + response);
    if (work.kind === 'train') trained += tokens;
    else read += tokens;
  }
  return {
    calls,
    otherCalls: Math.round(others),
    generatedTokens: Math.round((calls - others) * Math.min(response, config.sampling.maxTokens)),
    trainedTokens: Math.round(trained * config.finetune.epochs),
    readTokens: Math.round(read),
    testShare: calls === 0 ? 0 : tests / calls,
  };
}
