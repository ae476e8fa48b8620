/** What lists of models call them where there is little room. */
import { modelTitle } from '../../models/address';

/** Labels of models for a list, in the order of their addresses: without the owner, as long as that leaves them different. */
export function modelLabels(addresses: readonly string[]): string[] {
  const titles = addresses.map(modelTitle);
  const names = titles.map((title) => title.slice(title.lastIndexOf('/') + 1));
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : (titles[i] as string)));
}
