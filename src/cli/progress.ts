/** Shown only for work that takes longer than this. */
const PATIENCE_MS = 1_000;
const INTERVAL_MS = 250;
const LOG_INTERVAL_MS = 10_000;

/**
 * Progress on stderr: one line that moves on a terminal, a line every ten seconds in a log, nothing for work
 * that is done at once.
 */
export class Progress {
  readonly #what: string;
  readonly #started = performance.now();
  readonly #terminal = process.stderr.isTTY === true;
  #printed = 0;
  #drawn = false;

  constructor(what: string) {
    this.#what = what;
  }

  update(done: number, total?: number): void {
    const now = performance.now();
    const elapsed = now - this.#started;
    if (elapsed < PATIENCE_MS || now - this.#printed < (this.#terminal ? INTERVAL_MS : LOG_INTERVAL_MS))
      return;
    this.#printed = now;
    const rate = done / (elapsed / 1000);
    const left =
      total === undefined || rate === 0 ? '' : `, ${Math.ceil(Math.max(0, total - done) / rate)} s left`;
    const of = total === undefined ? `${done}` : `${done} of ${total}`;
    const text = `${this.#what}: ${of} (${Math.round(rate)} a second${left})`;
    process.stderr.write(this.#terminal ? `\r\x1b[2K${text}` : `${text}\n`);
    this.#drawn = this.#terminal;
  }

  done(): void {
    if (this.#drawn) process.stderr.write('\r\x1b[2K');
  }
}
