/** What the other parts of the lab read a model folder in Hugging Face layout with; weights are read by ./stream, in pieces. */
export { label, parseJson, type FileSource } from './source';
export { readConfig } from './stream';
export { urlSource } from './urlSource';
