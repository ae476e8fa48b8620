/** A comparison as one picture: accuracy against generations per problem, and against training tokens. SVG, without a library. */
import type { ComparedMethod, Comparison } from '../../src/log/comparison';

const PANEL = { width: 420, height: 320, left: 52, top: 44, gap: 64 };
const LEGEND = 250;
/** Okabe and Ito's colours, which most people can tell apart. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#000000'];

interface Axis {
  title: string;
  of(method: ComparedMethod): number;
}

const AXES: readonly Axis[] = [
  { title: 'generations per problem', of: ({ calls }) => calls },
  { title: 'training tokens', of: ({ trainedTokens }) => trainedTokens },
];

/** @param title in words */
export function comparisonSvg(title: string, { methods }: Comparison): string {
  const recipes = [...new Set(methods.map(({ recipe }) => recipe))];
  const looks = new Map(recipes.map((recipe, at) => [recipe, COLOURS[at % COLOURS.length] as string]));
  const answers = [...new Set(methods.map(({ answer }) => answer))];
  const width = PANEL.left + 2 * PANEL.width + PANEL.gap + LEGEND;
  const height = Math.max(PANEL.top + PANEL.height + 60, PANEL.top + 20 * (recipes.length + answers.length + 3));
  const right = PANEL.left + 2 * PANEL.width + PANEL.gap + 30;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${PANEL.left}" y="22" font-size="15">${escaped(title)}</text>`,
    ...AXES.map((axis, at) => panel(axis, PANEL.left + at * (PANEL.width + PANEL.gap), methods, looks, answers)),
    ...recipes.map((recipe, at) => legendRow(right, at, 0, looks.get(recipe) ?? '', recipe)),
    ...answers.map((answer, at) => legendRow(right, recipes.length + 1 + at, at, '#555', answer)),
    `<text x="${right}" y="${PANEL.top + 20 * (recipes.length + answers.length + 2)}" fill="#555">bars: 95 % interval (Wilson)</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function panel(
  { title, of }: Axis,
  x0: number,
  methods: readonly ComparedMethod[],
  looks: ReadonlyMap<string, string>,
  answers: readonly string[],
): string {
  const { width, height, top } = PANEL;
  const most = Math.max(1, ...methods.map(of)) * 1.06;
  const least = Math.max(0, Math.min(...methods.map(({ accuracy }) => accuracy)) - 0.08);
  const x = (value: number) => x0 + (width * value) / most;
  const y = (share: number) => top + (height * (1 - share)) / (1 - least || 1);
  const ticks = [0, 1, 2, 3, 4].map((k) => least + (k * (1 - least)) / 4);
  const parts = [
    ...ticks.map(
      (share) =>
        `<path d="M${x0} ${y(share).toFixed(1)}h${width}" stroke="#ddd"/><text x="${x0 - 6}" y="${(y(share) + 4).toFixed(1)}" text-anchor="end">${(100 * share).toFixed(0)}</text>`,
    ),
    ...[0, 0.25, 0.5, 0.75, 1].map((part) => {
      const value = (part * most) / 1.06;
      return `<text x="${x(value).toFixed(1)}" y="${top + height + 18}" text-anchor="middle">${shown(value)}</text>`;
    }),
    `<path d="M${x0} ${top}v${height}h${width}" fill="none" stroke="#333"/>`,
    `<text x="${x0 + width / 2}" y="${top + height + 38}" text-anchor="middle">${title}</text>`,
    `<text x="${x0}" y="${top - 8}">percent right</text>`,
    ...methods.map((method) => {
      const [cx, cy] = [x(of(method)), y(method.accuracy)];
      const colour = looks.get(method.recipe) ?? '#000';
      const [low, high] = method.interval.map((share) => y(Math.max(least, share))) as [number, number];
      const bar = `<path d="M${cx.toFixed(1)} ${high.toFixed(1)}V${low.toFixed(1)}" stroke="${colour}" stroke-opacity="0.5"/>`;
      const words = `${method.recipe}: ${method.label}, ${(100 * method.accuracy).toFixed(1)} %, ${method.calls} calls, ${Math.round(method.trainedTokens)} training tokens`;
      return `<g><title>${escaped(words)}</title>${bar}${marker(answers.indexOf(method.answer), cx, cy, colour)}</g>`;
    }),
  ];
  return parts.join('\n');
}

function marker(kind: number, x: number, y: number, colour: string): string {
  const at = (dx: number, dy: number) => `${(x + dx).toFixed(1)} ${(y + dy).toFixed(1)}`;
  const paths = [
    `M${at(-4.5, 0)}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z`,
    `M${at(-4, -4)}h8v8h-8z`,
    `M${at(0, -5)}L${at(5, 4)}L${at(-5, 4)}z`,
    `M${at(0, -5.5)}L${at(5.5, 0)}L${at(0, 5.5)}L${at(-5.5, 0)}z`,
    `M${at(0, 5)}L${at(5, -4)}L${at(-5, -4)}z`,
  ];
  return `<path d="${paths[Math.max(0, kind) % paths.length]}" fill="${colour}" fill-opacity="0.8" stroke="#fff" stroke-width="0.6"/>`;
}

function legendRow(x: number, line: number, kind: number, colour: string, label: string): string {
  const y = PANEL.top + 20 * line;
  return `${marker(kind, x, y - 4, colour)}<text x="${x + 14}" y="${y}">${escaped(label)}</text>`;
}

function shown(value: number): string {
  return value >= 10_000 ? `${Math.round(value / 1000)}k` : String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
