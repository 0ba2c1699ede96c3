/* What pages keep while the app is mounted anew: in memory, and not for longer. */

/** A page that is gone for so long has been left. */
const LEFT_AFTER = 1_000;

type Tell = (value: unknown) => void;

export class Kept {
  private readonly values = new Map<string, unknown>();
  private readonly shown = new Map<string, Tell>();
  private readonly leaving = new Map<string, ReturnType<typeof setTimeout>>();

  find<T>(name: string): T | undefined {
    return this.values.get(name) as T | undefined;
  }

  put(name: string, value: unknown): void {
    this.values.set(name, value);
  }

  /** From somebody who is gone: for whoever shows it now, or soon will. */
  handOver(name: string, next: (before: unknown) => unknown): void {
    // Once it is forgotten nobody would take it away any more.
    if (!this.values.has(name)) return;
    const value = next(this.values.get(name));
    this.values.set(name, value);
    this.shown.get(name)?.(value);
  }

  /** Somebody shows it, began with this, and is told what is handed over. */
  hold(name: string, begun: unknown, tell: Tell): void {
    const value = this.values.get(name);
    if (value === undefined) this.values.set(name, begun);
    // It was handed over after they began.
    else if (value !== begun) tell(value);
    this.shown.set(name, tell);
    clearTimeout(this.leaving.get(name));
    this.leaving.delete(name);
  }

  /** They show it no more; unless somebody soon does, it is forgotten. */
  release(name: string, tell: Tell): void {
    // Somebody else does already.
    if (this.shown.get(name) !== tell) return;
    this.shown.delete(name);
    clearTimeout(this.leaving.get(name));
    const forget = () => {
      this.values.delete(name);
      this.leaving.delete(name);
    };
    this.leaving.set(name, setTimeout(forget, LEFT_AFTER));
  }
}
