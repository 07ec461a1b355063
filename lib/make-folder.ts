import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "./user-error.ts";

/**
 * Makes a folder that an option names, if it is not there.
 * @throws UserError when it can't be made or written.
 */
export function makeFolder(path: string, option: string): void {
  // Not mkdirSync with recursive: below /proc it never returns.
  const make = (folder: string): void => {
    if (existsSync(folder)) return;
    make(dirname(folder));
    try {
      mkdirSync(folder);
    } catch (error) {
      // Another run can make the same folder at the same time.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  };
  try {
    make(path);
    accessSync(`${path}/.`, constants.W_OK);
  } catch (error) {
    throw new UserError(`The folder ${path} can't be made or written: ${(error as Error).message}`, {
      remedy: `Choose another folder with ${option}.`,
      cause: error,
    });
  }
}
