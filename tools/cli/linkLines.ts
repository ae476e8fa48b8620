/** What a link says, for programs and for people. */
import { EXACT_ARITHMETIC } from '../../src/engine/describe';
import { isExact, type OpenedLink } from '../../src/share/link';

/** As one JSON object. */
export function described({ link, config, missing }: OpenedLink): Record<string, unknown> {
  const { recipe, preset, task, changes, modelHash, engine, receipt } = link;
  return {
    type: 'link',
    recipe,
    preset,
    task,
    changes,
    seed: config?.seed ?? null,
    config,
    model_hash: modelHash,
    engine,
    receipt,
    missing,
  };
}

/** In words, a line each. */
export function linesOf({ link, config, missing }: OpenedLink): string[] {
  const { recipe, preset, changes, modelHash, engine, receipt } = link;
  return [
    `${recipe.id} (revision ${recipe.revision}), preset ${preset.id} (revision ${preset.revision})`,
    ...Object.entries(changes).map(([key, value]) => `  ${key} = ${String(value)}`),
    ...(config ? [`model ${config.model}${modelHash === null ? '' : `, sha-256 ${modelHash}`}`] : []),
    ...(engine
      ? [`ran on ${engine.name}${isExact(engine) ? `; this build has arithmetic ${EXACT_ARITHMETIC}` : ''}`]
      : []),
    ...(receipt
      ? [
          'claimed, not checked:',
          ...receipt.scores.map(
            ({ method, n, right }) =>
              `  ${method}: ${right.map((one) => one ?? '–').join(', ')} of ${n} right, by iteration`,
          ),
          `  log digest ${receipt.digest}, ${receipt.events} events`,
        ]
      : []),
    ...missing,
  ];
}
