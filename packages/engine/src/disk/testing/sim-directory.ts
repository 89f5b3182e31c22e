/**
 * A directory of a simulated disk: the names as they are shown, and what may be left of them when the power fails.
 *
 *   names     manifest-1, journal-000002
 *   durable   manifest-1, journal-000001            the names at the last sync
 *   pending   + journal-000002   - journal-000001   what was done since, oldest first
 *
 * Each change is there as a whole or not at all: after a rename, one of the two names. A change is not there without those
 * before it that touched the same names.
 */
import type { SimFile } from './sim-file.ts'

export type SimNode = SimFile | SimDirectory

export type NameChange =
  | { readonly kind: 'set'; readonly name: string; readonly node: SimNode; readonly time: number }
  | {
      readonly kind: 'rename'
      readonly name: string
      readonly to: string
      readonly node: SimNode
      readonly time: number
    }
  | { readonly kind: 'remove'; readonly name: string; readonly time: number }

export class SimDirectory {
  readonly id: number
  readonly names: Map<string, SimNode>
  /** undefined: as `names`. */
  #durable: Map<string, SimNode> | undefined
  #pending: NameChange[]
  #lostTime: number

  constructor(id: number, names: Map<string, SimNode> = new Map()) {
    this.id = id
    this.names = names
    this.#durable = undefined
    this.#pending = []
    this.#lostTime = -1
  }

  get pending(): readonly NameChange[] {
    return this.#pending
  }

  set(name: string, node: SimNode, time: number): void {
    this.#change({ kind: 'set', name, node, time })
  }

  rename(name: string, to: string, time: number): void {
    this.#change({ kind: 'rename', name, to, node: this.names.get(name)!, time })
  }

  remove(name: string, time: number): void {
    this.#change({ kind: 'remove', name, time })
  }

  /** Puts a node, or nothing, in place of what has the name; all names are durable then. */
  edit(name: string, node: SimNode | undefined): void {
    this.#durable = undefined
    this.#pending = []
    if (node === undefined) this.names.delete(name)
    else this.names.set(name, node)
  }

  /** The names of which so much is kept of what was not synced; asks for a change only where those it needs are kept. */
  namesWith(isKept: (change: NameChange) => boolean): Map<string, SimNode> {
    const names = new Map(this.#durable ?? this.names)
    const missing = new Set<string>()
    for (const change of this.#pending) {
      const touched = touchedBy(change)
      if (!touched.some((name) => missing.has(name)) && isKept(change)) apply(names, change)
      else for (const name of touched) missing.add(name)
    }
    return names
  }

  /** All that may be found below this directory after a crash. */
  nodes(): Set<SimNode> {
    const nodes = new Set([...this.names.values(), ...(this.#durable?.values() ?? [])])
    for (const change of this.#pending) if (change.kind !== 'remove') nodes.add(change.node)
    return nodes
  }

  /** A sync that began then has succeeded. */
  settle(begin: number): void {
    if (this.#durable === undefined) return
    const needed = new Set<string>()
    const rest: NameChange[] = []
    const settled: NameChange[] = []
    for (const change of this.#pending.toReversed()) {
      const touched = touchedBy(change)
      const isCovered = change.time <= begin && change.time > this.#lostTime
      if (isCovered || touched.some((name) => needed.has(name))) {
        for (const name of touched) needed.add(name)
        settled.push(change)
      } else rest.push(change)
    }
    for (const change of settled.toReversed()) apply(this.#durable, change)
    this.#pending = rest.toReversed()
    if (rest.length === 0) this.#durable = undefined
  }

  /** A sync that began then has failed. */
  lose(begin: number): void {
    this.#lostTime = Math.max(this.#lostTime, begin)
  }

  /** The same directory on another image; `copyOf` gives the same copy for the same node. */
  copy(copyOf: (node: SimNode) => SimNode): SimDirectory {
    const copy = new SimDirectory(this.id, copied(this.names, copyOf))
    copy.#durable = this.#durable && copied(this.#durable, copyOf)
    copy.#pending = this.#pending.map((change) => {
      return change.kind === 'remove' ? change : { ...change, node: copyOf(change.node) }
    })
    copy.#lostTime = this.#lostTime
    return copy
  }

  #change(change: NameChange): void {
    this.#durable ??= new Map(this.names)
    this.#pending.push(change)
    apply(this.names, change)
  }
}

function copied(names: ReadonlyMap<string, SimNode>, copyOf: (node: SimNode) => SimNode): Map<string, SimNode> {
  const copies = new Map<string, SimNode>()
  for (const [name, node] of names) copies.set(name, copyOf(node))
  return copies
}

function touchedBy(change: NameChange): string[] {
  return change.kind === 'rename' ? [change.name, change.to] : [change.name]
}

function apply(names: Map<string, SimNode>, change: NameChange): void {
  if (change.kind !== 'set') names.delete(change.name)
  if (change.kind !== 'remove') names.set(change.kind === 'rename' ? change.to : change.name, change.node)
}
