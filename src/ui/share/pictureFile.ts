/** A file that may be a picture which this lab exported. */
import { FileError } from '../../engine/errors';
import { linkInPicture, pictureKind } from '../../share/exports/picture';

/** Bytes of a picture that is read. */
const LARGEST = 64 * 2 ** 20;
/** Bytes that tell what it is. */
const HEAD = 1024;

/**
 * The fragment that a picture leads to; null for a file of another kind.
 * @throws FileError for a picture without a link
 */
export async function linkInFile(file: File): Promise<string | null> {
  if (pictureKind(new Uint8Array(await file.slice(0, HEAD).arrayBuffer())) === null) return null;
  const link = linkInPicture(new Uint8Array(await file.slice(0, LARGEST).arrayBuffer()));
  if (link === null)
    throw new FileError(file.name, 'is a picture without a link in it; drop one that this page exported, or a run');
  return link;
}
