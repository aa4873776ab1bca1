import { Refusal } from './answers.ts';

/** Bytes of requests under way: beyond the limit senders are asked to wait, instead of memory being filled. */
export class Budget {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** @throws Refusal 429: nothing was taken. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#limit)
      throw new Refusal(429, 'too much is under way', { 'retry-after': '1' });
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** What one request holds of the budget, given back as a whole. */
export class Holding {
  readonly #budget: Budget;
  #bytes = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  take(bytes: number): void {
    this.#budget.take(bytes);
    this.#bytes += bytes;
  }

  release(): void {
    this.#budget.give(this.#bytes);
    this.#bytes = 0;
  }
}
