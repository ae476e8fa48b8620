// Lets Node load `import source from './kernel.wgsl?raw'` the way Vite does.
import { register } from 'node:module';

register('./wgsl-hooks.mjs', import.meta.url);
