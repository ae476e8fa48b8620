/** The post-processor of tokenizer.json: what a tokenizer puts before a text that stands alone (Llama's BOS). */
import {
  at,
  known,
  list,
  MOST_PARTS,
  object,
  refuse,
  sequenceParts,
  text,
  whole,
  type Json,
  type Place,
} from './fields';

/** @returns ids before a text. What some put after it does not count. @throws FileError for what is not known */
export function postProcessor(value: unknown, place: Place, depth = 0): number[] {
  if (value === null || value === undefined) return [];
  const asked = object(value, place);
  const type = text(asked['type'], at(place, 'type'));
  switch (type) {
    case 'ByteLevel':
      known(asked, ['type', 'add_prefix_space', 'trim_offsets', 'use_regex'], place);
      return [];
    case 'Sequence': {
      const starts = sequenceParts(asked, 'processors', place, depth, postProcessor);
      // Each wraps what the ones before it made.
      return starts.toReversed().flat();
    }
    case 'TemplateProcessing':
      return template(asked, place);
    default:
      return refuse(
        at(place, 'type'),
        `${JSON.stringify(type)} is a post-processor that this lab cannot follow exactly`,
      );
  }
}

function template(asked: Json, place: Place): number[] {
  known(asked, ['type', 'single', 'pair', 'special_tokens'], place);
  const special = object(asked['special_tokens'] ?? {}, at(place, 'special_tokens'));
  const single = at(place, 'single');
  const ids: number[] = [];
  for (const [i, entry] of list(asked['single'], single, MOST_PARTS).entries()) {
    const part = object(entry, at(single, String(i)));
    if (part['Sequence'] !== undefined) return ids;
    const name = text(object(part['SpecialToken'], at(single, String(i)))['id'], at(single, String(i)));
    const token = object(
      Object.hasOwn(special, name) ? special[name] : undefined,
      at(at(place, 'special_tokens'), name),
    );
    const inside = at(at(at(place, 'special_tokens'), name), 'ids');
    ids.push(...list(token['ids'], inside, MOST_PARTS).map((id) => whole(id, inside, 2 ** 25 - 1)));
  }
  return refuse(single, 'has no place for the text');
}
