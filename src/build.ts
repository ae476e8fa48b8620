/** Version of this program, as logs name it. A test compares it with package.json. */
export const BUILD = '0.2.0';
