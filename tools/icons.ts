/** Draws the PNG icons of the web manifest from static/icon.svg: `npm run icons`. The files are committed. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { launch } from '../tests/e2e/browser';

/** Share of the side that the drawing takes. Launchers cut maskable icons to a circle of 80 %, and iOS fills what is transparent with black. */
const ICONS = [
  { file: '180.png', size: 180, share: 0.8, background: '#f6f7f8' },
  { file: '192.png', size: 192, share: 1, background: 'transparent' },
  { file: '512.png', size: 512, share: 1, background: 'transparent' },
  { file: '512-maskable.png', size: 512, share: 0.56, background: '#f6f7f8' },
];
const FOLDER = 'static/icons';

const svg = readFileSync('static/icon.svg', 'utf8');
const browser = await launch(false);
const page = await browser.newPage();
mkdirSync(FOLDER, { recursive: true });
for (const { file, size, share, background } of ICONS) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(
    `<style>html{background:${background}}body{margin:0;height:100vh;display:grid;place-items:center}svg{width:${100 * share}vw}</style>${svg}`,
  );
  writeFileSync(`${FOLDER}/${file}`, await page.screenshot({ omitBackground: true }));
}
await browser.close();
