/** Whose rights are in a bundle, as far as this build knows. */
import type { RunStarted } from '../events';
import { embeddedModel } from '../recipes/presets';
import { TASKS, isFileTask } from '../tasks';
import { plain } from './exports/trl';

/** A page for people: of the problems, of the model, of what was made with it. */
export function licencesOf({ config, model }: Pick<RunStarted, 'config' | 'model'>): string {
  const task = TASKS.find(({ name }) => name === config.task);
  return [
    '# Licences',
    '',
    'What is in this file, and whose it is.',
    '',
    `- **Problems.** ${problemsOf(config, task !== undefined && !isFileTask(task))}`,
    `- **Model.** ${modelOf(config.model, model)}`,
    '- **Adapters and responses** were made with the model. What its licence says of outputs and of changed versions holds for them.',
    '- **Everything else**, the form of the log among it, is written by Polylogue (MIT licence) and carries no rights of its makers.',
    '',
  ].join('\n');
}

function problemsOf({ task, data }: RunStarted['config'], generated: boolean): string {
  if (generated) return `They are of the task ${plain(task)}, which computes them. Nobody else has rights in them.`;
  if (!data) return `They are of the task ${plain(task)}. This build does not know whose they are.`;
  return `They are from the file ${plain(data.name)} (sha-256 ${data.sha256}). Its licence holds for them; Polylogue does not know it.`;
}

function modelOf(name: string, { hash }: RunStarted['model']): string {
  if (embeddedModel(name)) return `${plain(name)} comes with Polylogue, under the MIT licence. It is not in this file.`;
  return `${plain(name)} (sha-256 of its weights ${plain(hash)}) is not in this file. Its licence is on its model card; Polylogue does not know it.`;
}
