/* What pages keep while the app is mounted anew: in memory, and not for longer. */

/** A page that is gone for so long has been left. */
const LEFT_AFTER = 1_000;

export class Kept {
  private readonly values = new Map<string, unknown>();
  private readonly leaving = new Map<string, ReturnType<typeof setTimeout>>();

  find<T>(name: string): T | undefined {
    return this.values.get(name) as T | undefined;
  }

  put(name: string, value: unknown): void {
    this.values.set(name, value);
  }

  /** Somebody shows it, and began with this. */
  hold(name: string, begun: unknown): void {
    if (this.values.get(name) === undefined) this.values.set(name, begun);
    clearTimeout(this.leaving.get(name));
    this.leaving.delete(name);
  }

  /** Nobody shows it; unless somebody soon does, it is forgotten. */
  release(name: string): void {
    clearTimeout(this.leaving.get(name));
    const forget = () => {
      this.values.delete(name);
      this.leaving.delete(name);
    };
    this.leaving.set(name, setTimeout(forget, LEFT_AFTER));
  }
}
