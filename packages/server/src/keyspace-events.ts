/**
 * Keyspace notifications: what happened to a key, told over pub/sub to whoever listens (redis.io/docs/latest/develop/pubsub/
 * keyspace-notifications).
 *
 *   notify('g', 'del', 'orders', 0) ──► __keyspace@0__:orders   del          with K
 *                                  └──► __keyevent@0__:del      orders       with E
 *
 * Nothing is told unless `notify-keyspace-events` names the class of the event, and K or E:
 *
 *   g generic   $ strings   l lists   s sets   h hashes   z sorted sets   t streams   d modules
 *   x expired   e evicted   n new keys   m misses   A all but n and m
 *
 * Commands tell what they do. That a key has expired, or a stream begun, comes from the engine, and only while somebody wants
 * to know it: off, which is the default, an event costs the caller one look at `isOn`, and a change nothing.
 */
import type { Databases } from '@millrace/engine'
import type { PubSub } from './pub-sub.ts'

export type EventClass = 'g' | '$' | 'x' | 't' | 'n' | 'm'

/** The classes that `A` stands for, in the order in which the setting is printed. */
const ALL_CLASSES = 'g$lshzxetd'
const OTHER_FLAGS = 'nKEm'

export class KeyspaceEvents {
  /** False: whatever is notified goes nowhere. */
  isOn = false
  readonly #pubSub: PubSub
  #databases: Databases
  #flags = new Set<string>()
  #endOfChanges: (() => void) | undefined = undefined

  constructor(pubSub: PubSub, databases: Databases) {
    this.#pubSub = pubSub
    this.#databases = databases
  }

  /** Of these databases from now on; the setting is to be set again. */
  use(databases: Databases): void {
    this.#databases = databases
  }

  /** The setting as CONFIG GET prints it. */
  get setting(): string {
    const isAll = has(this.#flags, ALL_CLASSES)
    const classes = isAll ? 'A' : only(this.#flags, `${ALL_CLASSES}n`)
    return classes + only(this.#flags, 'KEm')
  }

  /** Takes the setting; false, and nothing changes, when it has a character that is none of ours. */
  set(setting: string): boolean {
    const flags = new Set<string>()
    for (const flag of setting) {
      if (flag === 'A') for (const each of ALL_CLASSES) flags.add(each)
      else if (ALL_CLASSES.includes(flag) || OTHER_FLAGS.includes(flag)) flags.add(flag)
      else return false
    }
    this.#flags = flags
    this.isOn = flags.has('K') || flags.has('E')
    this.#endOfChanges?.()
    this.#endOfChanges = this.isOn && (flags.has('x') || flags.has('n')) ? this.#tellChanges() : undefined
    return true
  }

  /** Tells an event when it is asked for. */
  notify(type: EventClass, event: string, key: string, databaseIndex: number): void {
    if (!this.#flags.has(type)) return
    if (this.#flags.has('K')) this.#publish(`__keyspace@${databaseIndex}__:${key}`, event)
    if (this.#flags.has('E')) this.#publish(`__keyevent@${databaseIndex}__:${event}`, key)
  }

  /** What no command tells: it happens while a key is looked at, or in the middle of many commands. */
  #tellChanges(): () => void {
    return this.#databases.subscribe((index, change) => {
      if (change.kind === 'key-removed' && change.reason === 'expired') this.notify('x', 'expired', change.key, index)
      else if (change.kind === 'stream-created') this.notify('n', 'new', change.key, index)
    })
  }

  #publish(channel: string, message: string): void {
    this.#pubSub.publish(channel, Buffer.from(message, 'latin1'))
  }
}

function has(flags: ReadonlySet<string>, all: string): boolean {
  for (const flag of all) if (!flags.has(flag)) return false
  return true
}

function only(flags: ReadonlySet<string>, of: string): string {
  let kept = ''
  for (const flag of of) if (flags.has(flag)) kept += flag
  return kept
}
