/** Gram matrices of what layers read: how large they are, which engines give them, and of how wide models. */
import { RequestError } from './errors';
import { projectionShape } from './config';
import {
  INPUT_OF,
  LAYER_INPUTS,
  PROJECTIONS,
  type EngineInfo,
  type LayerInput,
  type ModelConfig,
  type Projection,
} from './types';

/** Inputs that these projections read, in the order of a layer, with their widths. */
export function gramInputs(
  config: ModelConfig,
  projections: readonly Projection[],
): { input: LayerInput; width: number }[] {
  return LAYER_INPUTS.flatMap((input) => {
    const reader = PROJECTIONS.find((one) => INPUT_OF[one] === input && projections.includes(one));
    return reader ? [{ input, width: projectionShape(config, reader)[1] }] : [];
  });
}

/** Numbers of the Gram matrices of all layers: [layer][input][width, width], flat. */
export function gramNumbers(config: ModelConfig, projections: readonly Projection[]): number {
  return config.numLayers * gramInputs(config, projections).reduce((sum, { width }) => sum + width ** 2, 0);
}

/** Numbers of all layers together: 128 MiB in 64 bits. */
export const MOST_GRAM_NUMBERS = 2 ** 24;

/** Does an engine give the Gram matrices of every projection? The passes of WebGPU and PyTorch hand out no inputs of layers. */
export function givesGrams({ kind, config }: Pick<EngineInfo, 'kind' | 'config'>): boolean {
  return (kind === 'exact' || kind === 'reference') && gramNumbers(config, PROJECTIONS) <= MOST_GRAM_NUMBERS;
}

/** @throws RequestError where the matrices have no room */
export function checkGramRoom(config: ModelConfig, projections: readonly Projection[]): void {
  const numbers = gramNumbers(config, projections);
  if (numbers > MOST_GRAM_NUMBERS)
    throw new RequestError(
      `the Gram matrices of ${projections.join(', ')} have ${numbers.toLocaleString('en')} numbers, and at most ` +
        `${MOST_GRAM_NUMBERS.toLocaleString('en')} have room`,
    );
}

/** What engines say that give none. */
export function noGrams(kind: EngineInfo['kind']): RequestError {
  return new RequestError(
    `the ${kind} engine gives no inputs of layers, so no Gram matrices; the exact engine and the reference engine do`,
  );
}
