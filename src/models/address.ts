/**
 * How settings, workers and logs name a model: a name under static/models, `stored:<id>` in this browser's storage, or
 * `folder:<name>` for a folder chosen in this visit. Nothing heavy is imported here: the page's first paint has it.
 */

const STORED = 'stored:';
const FOLDER = 'folder:';

/** The model as settings name it, taken apart. */
export type ModelReference =
  /** Served with the page, under models/. */
  { kind: 'served'; name: string } | { kind: 'stored'; id: string } | { kind: 'folder'; name: string };

export function modelReference(model: string): ModelReference {
  if (model.startsWith(STORED)) return { kind: 'stored', id: model.slice(STORED.length) };
  if (model.startsWith(FOLDER)) return { kind: 'folder', name: model.slice(FOLDER.length) };
  return { kind: 'served', name: model };
}

/** Address of a stored model. */
export function storedAddress(id: string): string {
  return `${STORED}${id}`;
}

/** Address of a folder that was chosen in this visit. */
export function folderAddress(name: string): string {
  return `${FOLDER}${name}`;
}

/** The address to open: a served model's becomes a web address. @param base the page's address */
export function modelAddress(model: string, base: string): string {
  return modelReference(model).kind === 'served' ? new URL(`models/${model}/`, base).href : model;
}

/** The model's name for people: without the commit, which no one reads. */
export function modelTitle(model: string): string {
  const reference = modelReference(model);
  if (reference.kind === 'served') return reference.name;
  if (reference.kind === 'folder') return `${reference.name} (folder)`;
  const [name = ''] = reference.id.split('@');
  return name.startsWith(FOLDER) ? `${name.slice(FOLDER.length)} (copied folder)` : name;
}
