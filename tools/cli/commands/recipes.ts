/** `recipes`: every method of the lab with its settings and presets. */
import { recipes } from '../../../src/recipes';
import { settingsOf } from '../../../src/recipes/resolve';
import { acceptsText } from '../../../src/recipes/settings';
import type { Recipe } from '../../../src/recipes/types';
import { readOptions } from '../args';
import { Output } from '../output';

export const help = `polylogue recipes [--json]

  Lists the recipes with their settings, what each accepts, and their presets.
  --json   one JSON object a recipe: settings with defaults (of the preset arithmetic-quick), bounds and the paper's value`;

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, { json: { type: 'boolean' } });
  const output = new Output(Boolean(values['json']));
  for (const recipe of recipes()) {
    output.object(described(recipe));
    for (const line of lines(recipe)) output.line(line);
  }
}

/** Preset whose values stand as defaults. */
const USUAL = 'arithmetic-quick';

function described(recipe: Recipe): Record<string, unknown> {
  const settings = Object.entries(settingsOf(recipe)).map(([key, { reader, label, line, symbol, paper }]) => ({
    key,
    label,
    line,
    ...(symbol !== undefined && { symbol }),
    ...reader.accepts,
    default: defaultOf(recipe, key) ?? null,
    ...(paper !== undefined && { paper }),
  }));
  const presets = Object.entries(recipe.presets).map(([name, preset]) => ({ name, ...preset }));
  const { id, revision, title, description, paper } = recipe;
  return { type: 'recipe', id, revision, title, description, paper, settings, presets };
}

function lines(recipe: Recipe): string[] {
  const table = settingsOf(recipe);
  const width = Math.max(...Object.keys(table).map((key) => key.length));
  return [
    `${recipe.id}: ${recipe.description} (${recipe.paper})`,
    `  presets: ${Object.keys(recipe.presets).join(', ')}`,
    ...Object.entries(table).map(([key, { reader, line }]) => {
      const usual = defaultOf(recipe, key);
      const shown = usual === undefined || usual === null ? '' : `, default ${String(usual)}`;
      return `  ${key.padEnd(width)}  ${line} ${acceptsText(reader.accepts)}${shown}`;
    }),
    '',
  ];
}

function defaultOf(recipe: Recipe, key: string): unknown {
  let value: unknown = recipe.presets[USUAL]?.config;
  for (const part of key.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
  return value ?? settingsOf(recipe)[key]?.absent;
}
