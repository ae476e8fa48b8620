/** The date of every prompt: a run has to come out the same on another day. */
import { TemplateError } from './lexer';

/** The one that Llama 3's template has for those who know none: Friday, 26 July 2024, at midnight. */
export const DATE = '26 Jul 2024';

const DIRECTIVES: Record<string, string> = {
  d: '26',
  b: 'Jul',
  B: 'July',
  m: '07',
  y: '24',
  Y: '2024',
  a: 'Fri',
  A: 'Friday',
  w: '5',
  u: '5',
  j: '208',
  H: '00',
  I: '12',
  M: '00',
  S: '00',
  f: '000000',
  p: 'AM',
  Z: '',
  z: '',
  F: '2024-07-26',
  D: '07/26/24',
  T: '00:00:00',
  R: '00:00',
  x: '07/26/24',
  X: '00:00:00',
  c: 'Fri Jul 26 00:00:00 2024',
  e: '26',
  '-d': '26',
  '-m': '7',
  '-H': '0',
  '-I': '12',
  '-M': '0',
  '-S': '0',
  '%': '%',
};

/** The fixed date in a format of Python's strftime. @throws TemplateError for a directive that is not known */
export function strftime(format: string): string {
  return format.replace(/%(-?[\s\S]?)/gu, (whole, directive: string) => {
    const value = Object.hasOwn(DIRECTIVES, directive) ? DIRECTIVES[directive] : undefined;
    if (value === undefined) throw new TemplateError(`strftime_now is asked for ${whole}, which is not known here`);
    return value;
  });
}
