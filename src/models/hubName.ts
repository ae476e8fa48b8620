/** Names of repositories and revisions on the hub. */
import { ModelNameError } from './errors';

const PART = '[A-Za-z0-9_][A-Za-z0-9_.-]*';
const REPO = new RegExp(`^(${PART}/)?${PART}$`);

/** Whether this can be a repository's name: `owner/name`, or the name alone of some old ones. */
export function isRepoName(text: string): boolean {
  return REPO.test(text) && !text.includes('..') && text.length <= 200;
}

/** @throws ModelNameError when these cannot be a repository and a revision */
export function checkNames(repo: string, revision: string): void {
  if (!isRepoName(repo)) {
    throw new ModelNameError(`"${repo.slice(0, 200)}" is not a model's name: it has the form owner/name.`);
  }
  if (!/^[^\s\\^~:?*[]{1,200}$/.test(revision) || revision.includes('..')) {
    throw new ModelNameError(`"${revision.slice(0, 200)}" is not a revision: give a branch, a tag or a commit.`);
  }
}

/**
 * Repository and revision in what somebody types or copies: `owner/name`, `owner/name@revision`, the address of a model's
 * page or of one of its files. What is none of these is returned as it is, for `checkNames` to refuse.
 */
export function readHubName(text: string): { repo: string; revision: string } {
  const plain = text
    .trim()
    .replace(/^(https?:\/\/[^/]+|(www\.)?huggingface\.co|hf\.co)\//i, '')
    .replace(/[?#].*$/, '')
    .replace(/\/+$/, '');
  const page = /^([^/@]+\/[^/@]+)\/(?:tree|blob|resolve|raw|commit|commits)\/([^/]+)/.exec(plain);
  if (page) return { repo: page[1] as string, revision: decoded(page[2] as string) };
  const [repo = '', ...revision] = plain.split('@');
  return { repo, revision: revision.join('@') || 'main' };
}

/** A branch's slash is escaped in addresses. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
