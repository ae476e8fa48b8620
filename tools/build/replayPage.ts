/** The template of a page that replays one run from disk: the stage and the views as one script within one file. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { build, type Plugin } from 'vite';
import { PAGE_MARKS, PAGE_TEMPLATE } from '../../src/share/exports/kinds';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Puts the template into the site, so that the page can write one: as a text, since it is no page before a run is in it. */
export function replayPageFile(): Plugin {
  return {
    name: 'replay-page',
    async generateBundle() {
      this.emitFile({ type: 'asset', fileName: PAGE_TEMPLATE, source: await replayTemplate() });
    },
    configureServer(server) {
      let made: Promise<string> | null = null;
      server.middlewares.use(`/${PAGE_TEMPLATE}`, (_request, response, next) => {
        made ??= replayTemplate();
        made.then(
          (text) => response.setHeader('content-type', 'text/plain; charset=utf-8').end(text),
          (error: unknown) => {
            made = null;
            next(error);
          },
        );
      });
    },
  };
}

/** Builds it anew: some seconds. */
export async function replayTemplate(): Promise<string> {
  const built = await build({
    configFile: false,
    root: ROOT,
    publicDir: false,
    logLevel: 'error',
    plugins: [svelte()],
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      cssCodeSplit: false,
      chunkSizeWarningLimit: 3_000,
      lib: { entry: `${ROOT}src/ui/replayPage/main.ts`, formats: ['iife'], name: 'PolylogueReplay' },
      rolldownOptions: { output: { keepNames: true } },
    },
  });
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((one) => ('output' in one ? one.output : []));
  const chunks = outputs.filter((one) => one.type === 'chunk');
  if (chunks.length !== 1) throw new Error(`the page is ${chunks.length} scripts, not one`);
  const style = outputs.flatMap((one) =>
    one.type === 'asset' && one.fileName.endsWith('.css') ? [String(one.source)] : [],
  );
  return template(chunks[0]!.code, style.join('\n'));
}

/** The policy names the one script and the one style by their hashes; nothing can be loaded and nobody be contacted. */
function template(code: string, style: string): string {
  // In strings of a script "<\/" is "</", and the element does not end there.
  const script = code.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const policy = [
    "default-src 'none'",
    `script-src '${hash(script)}'`,
    `style-src '${hash(style)}'`,
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types svelte-trusted-html',
  ].join('; ');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${PAGE_MARKS.title}</title>`,
    '<link rel="icon" href="data:,">',
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    '<div id="app"><p>This page needs JavaScript.</p></div>',
    PAGE_MARKS.run,
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
