/** A run's work in responses and tokens, from what its recipe says that it needs. Plan, estimate and progress read these. */
import type { RunConfig } from './config';
import { recipeNamed } from './index';
import { speaksChat } from './resolve';
import type { Need } from './types';

/** What a run asks of the device, before it starts. */
export interface WorkEstimate {
  /** Responses, and summaries by a model. */
  calls: number;
  generatedTokens: number;
  /** Tokens of all training sequences, prompts included, over all epochs. */
  trainedTokens: number;
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

/** Rough lengths of word problems and short solutions in words, for models of half a billion parameters or more. */
export const CHAT_WORK: WorkAssumptions = { solvePrompt: 150, revisePrompt: 750, response: 250 };

/** What the recipe says that a run needs. */
export function needOf(config: RunConfig): Need {
  return recipeNamed(config.recipe).cost(config);
}

export function assumptionsOf(config: RunConfig): WorkAssumptions {
  return speaksChat(config) ? CHAT_WORK : ARITHMETIC_WORK;
}

/** Work of a whole run, expected, not guaranteed: data sets depend on what the agents say. */
export function estimateWork(config: RunConfig, assume = assumptionsOf(config)): WorkEstimate {
  const { solvePrompt, revisePrompt, response } = assume;
  let calls = 0;
  let tests = 0;
  let trained = 0;
  for (const work of needOf(config).work) {
    if (work.kind === 'episodes') {
      calls += work.calls;
      if (work.purpose === 'evaluation') tests += work.calls;
    } else trained += work.solve * (solvePrompt + response) + work.revise * (revisePrompt + response);
  }
  return {
    calls,
    generatedTokens: Math.round(calls * Math.min(response, config.sampling.maxTokens)),
    trainedTokens: Math.round(trained * config.finetune.epochs),
    testShare: calls === 0 ? 0 : tests / calls,
  };
}
