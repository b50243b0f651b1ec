/** The vectors that the Python gate is held against too. */

import { readFileSync } from "node:fs";

// From `dist/tests/support`, which lies as deep below the repository in every place that the package is built in.
const FOLDER = new URL("../../../../../tests/vectors/", import.meta.url);

/** Return the cases of one file. */
export function vectors<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8")) as T[];
}
