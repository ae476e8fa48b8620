/** What a chart's file says of its runs. Links are made when a file is asked for, and carry what came out. */
import type { PictureNote } from '../../share/exports/picture';
import { settingsText } from '../format';
import type { RunLinks, ShownRun } from './shownRuns';

/** @param errors what the error bars are; null where there are none */
export async function pictureNote(
  title: string,
  runs: readonly ShownRun[],
  errors: string | null,
  linkOf: RunLinks,
): Promise<PictureNote> {
  const shown = await Promise.all(
    runs.map(async ({ name, events }) => {
      const [started] = events;
      if (started?.type !== 'run-started') return [];
      const settings = `${settingsText(started.config)} · model ${started.model.name}`;
      return [{ name, settings, link: await linkOf(events) }];
    }),
  );
  return { title, errors, runs: shown.flat() };
}
