/** Writes docs/devices.md from the files of bench/results/devices: `npm run devices`. A test holds the page to the folder. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDeviceFile, type DeviceFile, type Measurement } from '../src/bench/deviceFile';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FOLDER = 'bench/results/devices';
const PAGE = 'docs/devices.md';

const INTRODUCTION = `# Devices

What people measured with the **Bench** view of the page, or with \`polylogue bench --file\`. The files are in \`${FOLDER}\`;
\`npm run devices\` makes this page from them.

To add a device: open the Bench view, press Measure, save the file, and attach it to an issue of the repository. Nothing is sent from the
page. The file names the device and the browser, nothing else.

A figure is tokens per second. In brackets is its share of the most that the device allows: the larger of the least times for its bytes at the
speed of a copy, and for its operations at the speed of multiply-adds from registers. Both ceilings are measured on the same device
before the engine is.

**No GPU was at hand when the kernels were written.** Where this page has no row of a GPU, what the documentation says of GPUs is a
prediction from counted dispatches and bytes (\`polylogue bench --count\`), and no measurement.
`;

/** The files of the folder by name. @throws DeviceFileError */
export function readDevices(root = ROOT): { name: string; file: DeviceFile }[] {
  return readdirSync(join(root, FOLDER))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({
      name,
      file: readDeviceFile(`${FOLDER}/${name}`, readFileSync(join(root, FOLDER, name), 'utf8')),
    }));
}

/** The page's text. */
export function devicesPage(devices: readonly { name: string; file: DeviceFile }[]): string {
  const rows = devices.flatMap(({ name, file }) =>
    file.measurements.map((measurement) => ({ name, file, measurement })),
  );
  if (rows.length === 0) return `${INTRODUCTION}\nNo file is there yet.\n`;
  const models = [...new Set(rows.map(({ measurement }) => titleOf(measurement)))];
  const parts = models.map((title) => {
    const own = rows.filter(({ measurement }) => titleOf(measurement) === title);
    return [`## ${title}`, '', speeds(own), '', ceilings(own)].join('\n');
  });
  return `${[INTRODUCTION, ...parts].join('\n')}\n`;
}

interface Row {
  name: string;
  file: DeviceFile;
  measurement: Measurement;
}

function titleOf({ model, dtype }: Measurement): string {
  return `${cell(model)} in ${dtype}`;
}

/** Figures of the table: how they are called, and which speed they are. */
const COLUMNS = [
  ['1 row', 'decode', 1, 1],
  ['8 rows', 'decode', 8, 1],
  ['8 rows, 6 adapters', 'decode', 8, 6],
  ['24 rows', 'decode', 24, 1],
  ['24 rows, 6 adapters', 'decode', 24, 6],
] as const;

function speeds(rows: readonly Row[]): string {
  const head = ['device', ...COLUMNS.map(([title]) => title), 'prefill', 'training, 1 adapter', 'training, 6 adapters'];
  const body = rows.map((row) => {
    const { measurement } = row;
    const find = (what: string, rowCount: number | null, adapters: number): string => {
      const speed = measurement.speeds.find(
        (one) => one.what === what && one.adapters === adapters && (rowCount === null || one.rows === rowCount),
      );
      if (!speed) return '';
      const share = speed.share === undefined ? '' : ` (${(100 * speed.share).toPrecision(2)} %)`;
      return `${figure(speed.tokensPerSecond)}${share}`;
    };
    return [
      deviceOf(row),
      ...COLUMNS.map(([, what, count, adapters]) => find(what, count, adapters)),
      find('prefill', null, 6),
      find('train', null, 1),
      find('train', null, 6),
    ];
  });
  return table(head, body);
}

function ceilings(rows: readonly Row[]): string {
  const head = [
    'device',
    'copy, GB/s',
    'multiply-adds, GFLOP/s',
    'product of 1024³, GFLOP/s',
    'measured',
    'with',
    'file',
  ];
  const body = rows.map((row) => {
    const { name, file, measurement } = row;
    const { copyGigabytesPerSecond, gflopPerSecond, productGflopPerSecond } = measurement.ceilings ?? {};
    const maybe = (value: number | null | undefined): string => (value == null ? '' : figure(value));
    return [
      deviceOf(row),
      maybe(copyGigabytesPerSecond),
      maybe(gflopPerSecond),
      maybe(productGflopPerSecond),
      `${file.date}, version ${cell(file.build)}`,
      cell(file.runtime),
      `\`${cell(name)}\``,
    ];
  });
  return table(head, body);
}

function deviceOf({ file, measurement }: Row): string {
  const { device, engine, software, threads } = measurement;
  const how =
    engine === 'webgpu' ? (software ? ', a software driver' : '') : `, ${threads ?? 1} of ${file.cores} cores`;
  return `${cell(device)}${how}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** A text of a file as text of a table, whatever it holds. */
function cell(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_[\]<>|#&!]/g, (mark) => `\\${mark}`);
}

function figure(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export const readPage = (): string => readFileSync(join(ROOT, PAGE), 'utf8');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(join(ROOT, PAGE), devicesPage(readDevices()));
  console.log(`${PAGE} written`);
}
