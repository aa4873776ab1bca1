declare module 'fs-native-extensions' {
  /** Takes an exclusive lock on the whole file, or answers false when somebody has it. */
  export function tryLock(fd: number): boolean;
}
