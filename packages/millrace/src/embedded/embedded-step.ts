/**
 * A step on the engine: synchronous calls, so nothing comes between them, and on a directory one group of the journal, so a crash
 * leaves all of it or none.
 *
 *   conditions ──► what could refuse an action (types, groups, numbers) ──► actions, none of which can fail any more
 */
import * as engine from '@millrace/engine'
import type { Action, Condition, EntryId, Step, StepResult } from '../backend.ts'
import { StreamError } from '../errors.ts'
import * as codec from './embedded-codec.ts'

type Result = EntryId | number | Uint8Array | undefined

/** A number as INCRBY takes it. */
const INTEGER = /^(0|-?[1-9]\d{0,18})$/

export class EmbeddedStep {
  readonly #database: engine.Database
  readonly #nowMs: number

  constructor(database: engine.Database, nowMs: number) {
    this.#database = database
    this.#nowMs = nowMs
  }

  take(step: Step): StepResult {
    const conditions = step.if ?? []
    for (const condition of conditions) this.#checkTypes(condition)
    this.#checkActions(step.do)
    const failed = conditions.findIndex((condition) => !this.#holds(condition))
    if (failed !== -1) return { isTaken: false, failed }
    return { isTaken: true, results: step.do.map((action) => this.#do(action)) }
  }

  #checkTypes(condition: Condition): void {
    if (condition.kind === 'value') engine.getString(this.#database, key(condition.key), this.#nowMs)
    else if (condition.kind === 'entry') this.#database.find(key(condition.stream), this.#nowMs)
    else this.#requireGroup(condition.stream, condition.group)
  }

  /** In their order, as a later action meets what an earlier one left. */
  #checkActions(actions: readonly Action[]): void {
    /** What strings hold after the actions so far; undefined: nothing. */
    const numbers = new Map<string, bigint | undefined>()
    for (const action of actions) {
      switch (action.kind) {
        case 'acknowledge':
          this.#requireGroup(action.stream, action.group)
          break
        case 'append':
        case 'delete':
          this.#database.find(key(action.stream), this.#nowMs)
          break
        case 'set':
          this.#refuseStream(action.key)
          numbers.set(action.key, numberOf(codec.toBytes(action.value)))
          break
        case 'remove':
          engine.getString(this.#database, key(action.key), this.#nowMs)
          numbers.set(action.key, 0n)
          break
        case 'increment':
          numbers.set(action.key, this.#sum(action, numbers))
          break
        case 'get':
          engine.getString(this.#database, key(action.key), this.#nowMs)
          break
        case 'time':
          break
      }
    }
  }

  #sum(action: Action & { readonly kind: 'increment' }, numbers: ReadonlyMap<string, bigint | undefined>): bigint {
    const before = numbers.has(action.key) ? numbers.get(action.key) : this.#number(action.key)
    const sum = before === undefined ? undefined : before + BigInt(action.by ?? 1)
    if (sum === undefined || sum > Number.MAX_SAFE_INTEGER || sum < -Number.MAX_SAFE_INTEGER) {
      const text = `Expected '${action.key}' to hold an integer that stays within 2^53 for an increment`
      throw new StreamError('BAD_ARGUMENT', text)
    }
    return sum
  }

  /** 0 when there is no such key, undefined when it is no number. */
  #number(name: string): bigint | undefined {
    const bytes = engine.getString(this.#database, key(name), this.#nowMs)
    return bytes === undefined ? 0n : numberOf(bytes)
  }

  #holds(condition: Condition): boolean {
    switch (condition.kind) {
      case 'owns': {
        const ref = { key: key(condition.stream), group: key(condition.group) }
        return condition.ids.every((id) => this.#isOwned(ref, id, key(condition.consumer)))
      }
      case 'entry':
        return this.#database.find(key(condition.stream), this.#nowMs)?.has(codec.toStreamId(condition.id)) === true
      case 'value': {
        const found = engine.getString(this.#database, key(condition.key), this.#nowMs)
        return condition.oneOf.some((one) =>
          one === undefined || found === undefined ? one === found : Buffer.compare(codec.toBytes(one), found) === 0,
        )
      }
    }
  }

  #isOwned(ref: engine.GroupRef, id: EntryId, consumer: string): boolean {
    const at = codec.toStreamId(id)
    const query = { from: at, to: at, minIdleMs: 0, count: 1 }
    return engine.pendingEntries(this.#database, ref, query, this.#nowMs)[0]?.consumer === consumer
  }

  #do(action: Action): Result {
    const database = this.#database
    const nowMs = this.#nowMs
    switch (action.kind) {
      case 'append': {
        const trim = action.trim === undefined ? {} : { trim: codec.toTrimRule(action.trim) }
        const fields = action.fields.map(codec.toBytes)
        return codec.toEntryId(engine.append(database, { key: key(action.stream), fields, ...trim }, nowMs)!)
      }
      case 'acknowledge': {
        const ref = { key: key(action.stream), group: key(action.group) }
        return engine.acknowledge(database, ref, { ids: action.ids.map(codec.toStreamId) }, nowMs).length
      }
      case 'delete':
        return engine.deleteEntries(database, key(action.stream), action.ids.map(codec.toStreamId), nowMs)
      case 'set': {
        const expiry = action.expireMs === undefined ? {} : { expiresAtMs: nowMs + action.expireMs }
        engine.setString(database, { key: key(action.key), value: codec.toBytes(action.value), ...expiry }, nowMs)
        return undefined
      }
      case 'increment':
        return this.#increment(action)
      case 'remove':
        return Number(engine.removeKey(database, key(action.key), nowMs))
      case 'get': {
        const found = engine.getString(database, key(action.key), nowMs)
        // The engine's own bytes: whoever gets them may keep them.
        return found === undefined ? undefined : Uint8Array.from(found)
      }
      case 'time':
        return nowMs
    }
  }

  #increment(action: Action & { readonly kind: 'increment' }): number {
    const before = engine.getString(this.#database, key(action.key), this.#nowMs)
    const sum = (before === undefined ? 0 : Number(Buffer.from(before).toString())) + (action.by ?? 1)
    const expiresAtMs = action.expireMs === undefined ? undefined : this.#nowMs + action.expireMs
    const entry = { key: key(action.key), value: Buffer.from(String(sum)) }
    if (before !== undefined) engine.setString(this.#database, { ...entry, expiresAtMs: 'keep' }, this.#nowMs)
    else engine.setString(this.#database, expiresAtMs === undefined ? entry : { ...entry, expiresAtMs }, this.#nowMs)
    return sum
  }

  #requireGroup(stream: string, group: string): void {
    const ref = { key: key(stream), group: key(group) }
    engine.requireGroup(this.#database.find(ref.key, this.#nowMs), ref)
  }

  /** SET replaces whatever is there; a step does not. */
  #refuseStream(name: string): void {
    engine.getString(this.#database, key(name), this.#nowMs)
  }
}

function key(text: string): string {
  return codec.toByteString(text)
}

function numberOf(bytes: Uint8Array): bigint | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  return INTEGER.test(text) ? BigInt(text) : undefined
}
