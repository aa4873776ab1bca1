/** Lets work through, and closes for a moment when something is to change that all of it relies on. */
export class Gate {
  #inside = 0;
  #closed: Promise<void> | undefined;
  #empty = () => {};

  /** Runs `work`, once nobody is alone. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.#closed !== undefined) await this.#closed;
    this.#inside += 1;
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      if (this.#inside === 0) this.#empty();
    }
  }

  /** Runs `work` when all that is inside has come to its end; what comes meanwhile waits. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#closed !== undefined) await this.#closed;
    let open = () => {};
    this.#closed = new Promise((resolve) => {
      open = resolve;
    });
    try {
      if (this.#inside > 0)
        await new Promise<void>((resolve) => {
          this.#empty = resolve;
        });
      return await work();
    } finally {
      this.#closed = undefined;
      open();
    }
  }
}
