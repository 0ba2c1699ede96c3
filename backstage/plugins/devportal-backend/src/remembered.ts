/**
 * Remembers what was looked up, for a while and not more than so much. Who asks for the same
 * meanwhile waits for the same answer; failures are not remembered.
 */
export class Remembered<T> {
  private readonly entries = new Map<
    string,
    { until: number; value: Promise<T> }
  >();

  constructor(
    private readonly find: (key: string) => Promise<T>,
    private readonly limits: { forMs: number; atMost: number },
  ) {}

  get(key: string): Promise<T> {
    const known = this.entries.get(key);
    if (known && known.until > Date.now()) return known.value;
    this.entries.delete(key);
    const oldest = this.entries.keys().next();
    if (this.entries.size >= this.limits.atMost && !oldest.done) {
      this.entries.delete(oldest.value);
    }
    const value = this.find(key);
    const entry = { until: Date.now() + this.limits.forMs, value };
    this.entries.set(key, entry);
    value.catch(() => {
      if (this.entries.get(key) === entry) this.entries.delete(key);
    });
    return value;
  }
}
