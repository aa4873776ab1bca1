declare module 'fs-native-extensions' {
  /** Takes a lock on the file, exclusive unless said otherwise, or answers false when somebody has it. A length of 0 is all of it. */
  export function tryLock(
    fd: number,
    offset?: number,
    length?: number,
    options?: { shared?: boolean },
  ): boolean;
}
