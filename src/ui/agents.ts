/** Every agent has a shape and a colour, so that it can be told from the others without seeing colours. */

export const SHAPES = ['circle', 'square', 'triangle', 'diamond', 'hexagon', 'cross'] as const;
export type Shape = (typeof SHAPES)[number];

export interface AgentLook {
  /** A, B, C… */
  letter: string;
  shape: Shape;
  /** CSS colour, after Okabe and Ito; defined in app.css for light and dark. */
  color: string;
}

/** @param slot 0..N−1 */
export function agentLook(slot: number): AgentLook {
  const index = slot % SHAPES.length;
  return { letter: String.fromCharCode(65 + slot), shape: SHAPES[index]!, color: `var(--agent-${index})` };
}

/** Outline of a shape with radius about 1 around the origin, as an SVG path. */
export function shapePath(shape: Shape, r = 1): string {
  const point = (angle: number, radius = r) => {
    const radians = (angle * Math.PI) / 180;
    return `${(radius * Math.cos(radians)).toFixed(3)} ${(radius * Math.sin(radians)).toFixed(3)}`;
  };
  const polygon = (angles: number[], radius?: number) => `M${angles.map((angle) => point(angle, radius)).join('L')}Z`;
  switch (shape) {
    case 'circle':
      return `M${r} 0A${r} ${r} 0 1 1 ${-r} 0A${r} ${r} 0 1 1 ${r} 0Z`;
    case 'square':
      return polygon([45, 135, 225, 315], r * 1.25);
    case 'triangle':
      return polygon([-90, 30, 150], r * 1.25);
    case 'diamond':
      return polygon([0, 90, 180, 270], r * 1.25);
    case 'hexagon':
      return polygon([0, 60, 120, 180, 240, 300], r * 1.1);
    case 'cross': {
      const a = r;
      const b = r * 0.4;
      return `M${-b} ${-a}H${b}V${-b}H${a}V${b}H${b}V${a}H${-b}V${b}H${-a}V${-b}H${-b}Z`;
    }
  }
}
