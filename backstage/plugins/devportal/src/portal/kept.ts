/*
 * What pages keep in memory: everything while the app is mounted anew, and what was typed
 * until it is done or discarded.
 */

/** A page that is gone for so long has been left. */
const LEFT_AFTER = 1_000;

/** Tells of a value; of none where it is to begin anew. */
type Tell = (value: unknown) => void;

export class Kept {
  private readonly values = new Map<string, unknown>();
  private readonly shown = new Map<string, Tell>();
  private readonly leaving = new Map<string, ReturnType<typeof setTimeout>>();
  /** What stays when its page is left. */
  private readonly staying = new Set<string>();
  /** What has stayed. */
  private readonly left = new Set<string>();

  find<T>(name: string): T | undefined {
    return this.values.get(name) as T | undefined;
  }

  put(name: string, value: unknown): void {
    this.values.set(name, value);
  }

  /** It was typed: only `drop` and `clear` take it away. */
  stay(name: string): void {
    this.staying.add(name);
  }

  /** Whether its page was left since it was typed. */
  wasLeft(name: string): boolean {
    return this.left.has(name);
  }

  /** It is done or discarded: who shows it begins anew. */
  drop(name: string): void {
    this.values.delete(name);
    this.staying.delete(name);
    this.left.delete(name);
    this.shown.get(name)?.(undefined);
  }

  /** Nothing of it is for whoever comes now. */
  clear(): void {
    const names = [...this.values.keys(), ...this.shown.keys()];
    new Set(names).forEach(it => this.drop(it));
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
    this.left.delete(name);
  }

  /** They show it no more; unless somebody soon does, or it was typed, it is forgotten. */
  release(name: string, tell: Tell): void {
    // Somebody else does already.
    if (this.shown.get(name) !== tell) return;
    this.shown.delete(name);
    clearTimeout(this.leaving.get(name));
    const leave = () => {
      if (this.staying.has(name)) this.left.add(name);
      else this.values.delete(name);
      this.leaving.delete(name);
    };
    this.leaving.set(name, setTimeout(leave, LEFT_AFTER));
  }
}
