// Lets Node load `import source from './kernel.wgsl?raw'`, and Python in the same way, as Vite does.
import { register } from 'node:module';

register('./wgsl-hooks.mjs', import.meta.url);
