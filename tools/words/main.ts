/**
 * Lists every text that the page can show, with the file and line where it stands: words in Svelte files, and strings of TypeScript files
 * that read like sentences. For reading them once from beginning to end.
 *
 *     npx tsx tools/words/main.ts                 all of them
 *     npx tsx tools/words/main.ts src/ui/course   those below a folder
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'svelte/compiler';
import ts from 'typescript';

export interface Words {
  file: string;
  line: number;
  text: string;
}

/** Attributes that people read or hear. */
const SPOKEN = new Set(['aria-label', 'title', 'placeholder', 'alt', 'label', 'text', 'name']);
/** A string of a program that a person may see: two words, or a sentence. */
const SENTENCE = /[A-Za-z’'][^\n]* [A-Za-z]/;

const squeezed = (text: string): string => text.replace(/\s+/g, ' ').trim();
const lineAt = (source: string, at: number): number => source.slice(0, at).split('\n').length;

/** Texts of a Svelte file: its words, spoken attributes, and strings of its scripts and expressions. */
export function wordsOfSvelte(file: string, source: string): Words[] {
  const found: Words[] = [];
  const add = (at: number, text: string): void => {
    if (/\p{L}/u.test(text)) found.push({ file, line: lineAt(source, at), text: squeezed(text) });
  };
  const visit = (node: unknown, spoken: boolean): void => {
    if (Array.isArray(node)) return node.forEach((one) => visit(one, spoken));
    if (typeof node !== 'object' || node === null) return;
    const { type, start = 0, name } = node as { type?: string; start?: number; name?: string };
    if (type === 'Text' && spoken) add(start, (node as { data?: string }).data ?? '');
    if (type === 'Literal' || type === 'TemplateElement') {
      const { value } = node as { value?: unknown };
      const text = typeof value === 'string' ? value : (value as { cooked?: string } | null)?.cooked;
      if (typeof text === 'string' && SENTENCE.test(text)) add(start, text);
    }
    const inside = type === 'Attribute' ? SPOKEN.has(name ?? '') : spoken;
    if (type === 'StyleSheet') return;
    for (const [key, child] of Object.entries(node)) if (key !== 'loc' && key !== 'css') visit(child, inside);
  };
  visit(parse(source, { filename: file, modern: true }), true);
  return found;
}

/** Strings of a TypeScript file that read like sentences; imports and comments are none. */
export function wordsOfScript(file: string, source: string): Words[] {
  const found: Words[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    const text =
      ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)
        ? node.text
        : ts.isTemplateExpression(node)
          ? [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('…')
          : '';
    if (SENTENCE.test(text)) found.push({ file, line: lineAt(source, node.getStart()), text: squeezed(text) });
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true));
  return found;
}

/** @param folder below which files are read */
export function wordsBelow(folder: string): Words[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => /\.(svelte|ts)$/.test(file) && !file.includes('assembly') && !file.endsWith('kernelBytes.ts'))
    .sort()
    .flatMap((file) => {
      const source = readFileSync(file, 'utf8');
      return file.endsWith('.svelte') ? wordsOfSvelte(file, source) : wordsOfScript(file, source);
    });
}

if (process.argv[1]?.endsWith('main.ts'))
  for (const { file, line, text } of wordsBelow(process.argv[2] ?? 'src'))
    process.stdout.write(`${file}:${line}\t${text}\n`);
