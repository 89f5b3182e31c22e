/**
 * What `millrace`'s redis backend asks of a server in Lua, as functions: our server runs these in place of the scripts, and
 * the conformance suite of backends holds them to the same meaning (conformance.test.ts).
 */
import { ReplyError, type NativeScript, type ScriptContext, type ScriptValue } from '@millrace/server'
import {
  addOnceScript,
  addScript,
  claimIdsScript,
  claimScanScript,
  deleteConsumerScript,
  expireScript,
  inspectScript,
  settleScript,
  stepScript,
  trimAckedScript,
} from 'millrace/scripts'
import { takeStep } from './step-script.ts'
import { trimAcked } from './trim-acked-script.ts'

export const millraceScripts: readonly NativeScript[] = [
  { lua: addScript.lua, run: add },
  { lua: addOnceScript.lua, run: addOnce },
  { lua: trimAckedScript.lua, run: trimAcked },
  { lua: claimIdsScript.lua, run: claimIds },
  { lua: claimScanScript.lua, run: claimScan },
  { lua: deleteConsumerScript.lua, run: deleteConsumer },
  { lua: expireScript.lua, run: expire },
  { lua: inspectScript.lua, run: inspect },
  { lua: settleScript.lua, run: settle },
  { lua: stepScript.lua, run: takeStep },
]

type Texts = readonly string[]

function add(context: ScriptContext, [key = '']: Texts, [expected, expireMs, ...rest]: Texts): ScriptValue {
  if (expected !== '') {
    const last = context.call('EXISTS', key) === 1 ? infoOf(context, key).get('last-generated-id') : '0-0'
    if (last !== expected) throw new ReplyError(`LASTID ${String(last)}`)
  }
  const id = context.callAll(['XADD', key, ...rest])
  if (id !== null && expireMs !== '') context.call('PEXPIRE', key, expireMs!)
  return id
}

function addOnce(
  context: ScriptContext,
  [key = '', once = '']: Texts,
  [windowMs = '', expireMs = '', ...rest]: Texts,
): ScriptValue {
  const known = context.call('GET', once)
  if (known !== null) {
    // Refuses a key of another type.
    context.call('XLEN', key)
    return known
  }
  const id = context.callAll(['XADD', key, ...rest])
  if (id === null) return null
  context.call('SET', once, String(id), 'PX', windowMs)
  if (expireMs !== '') context.call('PEXPIRE', key, expireMs)
  return id
}

function infoOf(context: ScriptContext, key: string): ReadonlyMap<ScriptValue, ScriptValue> {
  return pairs(context.call('XINFO', 'STREAM', key))
}

function claimIds(context: ScriptContext, [key = '']: Texts, args: Texts): ScriptValue {
  const [group = '', consumer = '', minIdleMs = '', owner = '', idleMs = '', justId = '', uncount = ''] = args
  const ids = args.slice(7)
  const idle = idleMs === '' ? [] : ['IDLE', idleMs]
  const claimed: ScriptValue[] = []
  const deleted: ScriptValue[] = []
  if (ids.length === 0) context.call('XPENDING', key, group)
  for (const id of ids) {
    const before = pendingOf(context, [key, group, id])
    if (before === undefined || (owner !== '' && before.consumer !== owner)) continue
    const lower = Math.max(before.deliveries - 1, 0)
    const count = uncount === '1' ? ['RETRYCOUNT', String(lower)] : []
    const options = [...idle, ...count, ...(justId === '1' ? ['JUSTID'] : [])]
    const [got] = list(context.callAll(['XCLAIM', key, group, consumer, minIdleMs, id, ...options]))
    if (got === undefined) {
      if (pendingOf(context, [key, group, id]) === undefined) deleted.push(id)
    } else if (justId === '1') claimed.push([id, null, uncount === '1' ? lower : before.deliveries])
    else claimed.push([id, list(got)[1]!, before.deliveries + 1])
  }
  return [claimed, deleted]
}

function claimScan(context: ScriptContext, [key = '']: Texts, args: Texts): ScriptValue {
  const [group = '', consumer = '', minIdleMs = '', from = '', count = '', justId = ''] = args
  const options = justId === '1' ? ['JUSTID'] : []
  const scan = context.callAll(['XAUTOCLAIM', key, group, consumer, minIdleMs, from, 'COUNT', count, ...options])
  const [next = '0-0', entries = [], deleted = []] = list(scan)
  const claimed = list(entries).map((entry): ScriptValue => {
    const [id, fields] = justId === '1' ? [entry, null] : list(entry)
    return [id!, fields ?? null, pendingOf(context, [key, group, String(id)])!.deliveries]
  })
  return [claimed, deleted, next]
}

function deleteConsumer(context: ScriptContext, [key = '']: Texts, [group = '', consumer = '']: Texts): ScriptValue {
  if (list(context.call('XPENDING', key, group, '-', '+', 1, consumer)).length === 1) {
    throw new ReplyError('BUSYCONSUMER the consumer owns pending entries')
  }
  const names = list(context.call('XINFO', 'CONSUMERS', key, group)).map((info) => pairs(info).get('name'))
  if (!names.includes(consumer)) return 0
  context.call('XGROUP', 'DELCONSUMER', key, group, consumer)
  return 1
}

function expire(context: ScriptContext, [key = '']: Texts, [afterMs = '']: Texts): ScriptValue {
  // Refuses a key of another type.
  context.call('XLEN', key)
  return context.call('PEXPIRE', key, afterMs)
}

function inspect(context: ScriptContext, [key = '']: Texts): ScriptValue {
  if (context.call('EXISTS', key) === 0) return null
  const stream = context.call('XINFO', 'STREAM', key)
  const groups = list(context.call('XINFO', 'GROUPS', key)).map((group): ScriptValue => {
    const name = pairs(group).get('name')
    return [group, context.call('XINFO', 'CONSUMERS', key, String(name))]
  })
  const used = /used_memory:(\d+)/.exec(memoryInfo(context))?.[1] ?? null
  return [stream, context.call('MEMORY', 'USAGE', key), context.call('PTTL', key), groups, used]
}

/** Empty when this client may not ask. */
function memoryInfo(context: ScriptContext): string {
  try {
    return String(context.call('INFO', 'memory'))
  } catch (error) {
    if (error instanceof ReplyError) return ''
    throw error
  }
}

function settle(context: ScriptContext, [key = '']: Texts, [group = '', consumer = '', ...ids]: Texts): ScriptValue {
  const settled: ScriptValue[] = []
  if (ids.length === 0) context.call('XPENDING', key, group)
  for (const id of ids) {
    if (pendingOf(context, [key, group, id, consumer]) === undefined) continue
    context.call('XACK', key, group, id)
    settled.push(id)
  }
  return settled
}

interface Pending {
  readonly consumer: ScriptValue
  readonly deliveries: number
}

/** Who an entry is pending for, of all consumers or of the given one. */
function pendingOf(context: ScriptContext, [key = '', group = '', id = '', ...consumer]: Texts): Pending | undefined {
  const [row] = list(context.callAll(['XPENDING', key, group, id, id, '1', ...consumer]))
  if (row === undefined) return undefined
  const [, owner = null, , deliveries] = list(row)
  return { consumer: owner, deliveries: Number(deliveries) }
}

function list(value: ScriptValue): readonly ScriptValue[] {
  if (Array.isArray(value)) return value
  throw new TypeError(`A list was expected, not ${String(value)}`)
}

/** A flat name, value, … as a map. */
function pairs(value: ScriptValue): ReadonlyMap<ScriptValue, ScriptValue> {
  const flat = list(value)
  const found = new Map<ScriptValue, ScriptValue>()
  for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, flat[i + 1]!)
  return found
}
