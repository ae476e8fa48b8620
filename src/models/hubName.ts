/** Names of repositories and revisions on the hub. */
import { ModelNameError } from './errors';

/** @throws ModelNameError when this cannot be a repository or a revision */
export function checkNames(repo: string, revision: string): void {
  const part = '[A-Za-z0-9_][A-Za-z0-9_.-]*';
  if (!new RegExp(`^(${part}/)?${part}$`).test(repo) || repo.includes('..') || repo.length > 200) {
    throw new ModelNameError(`"${repo.slice(0, 200)}" is not a model's name: it has the form owner/name.`);
  }
  if (!/^[^\s\\^~:?*[]{1,200}$/.test(revision) || revision.includes('..')) {
    throw new ModelNameError(`"${revision.slice(0, 200)}" is not a revision: give a branch, a tag or a commit.`);
  }
}
