/** Where recorded runs lie in the site, and what they are called on the page. */

/** Folder of the site, and the list in it. */
export const RECORDED_FOLDER = 'recorded';
export const RECORDED_INDEX = 'index.json';

/** Ids of recorded runs begin so; no other run's does. */
const PREFIX = 'recorded-';

/** File of a recorded run in the folder. */
export const recordedFile = ({ name }: { name: string }): string => `${name}.run`;

/** Id under which the page shows it. */
export const recordedId = ({ name }: { name: string }): string => `${PREFIX}${name}`;

export const isRecordedId = (id: string): boolean => id.startsWith(PREFIX);
