/** The script that trims what is finished, as a function: see packages/millrace/src/redis/scripts/trim-acked.ts, which it follows. */
import type { ScriptContext, ScriptValue } from '@millrace/server'

const PIECE = 1000
const SEQ_MAX = 18_446_744_073_709_551_615n

export function trimAcked(context: ScriptContext, [key = '']: readonly string[], args: readonly string[]): ScriptValue {
  const [maxLen = '', minId = '', approximate = '', limit = ''] = args
  if (context.call('EXISTS', key) === 0) return [0, 0]
  let safe = safePoint(context, key)
  if (safe === undefined) return [0, 0]
  let more = 0
  if (minId !== '' && isBefore(minId, safe)) safe = minId
  if (maxLen !== '') {
    const surplus = Number(context.call('XLEN', key)) - Number(maxLen)
    if (surplus <= 0) return [0, 0]
    const count = Math.min(surplus, PIECE)
    const oldest = context.call('XRANGE', key, '-', '+', 'COUNT', count) as readonly (readonly ScriptValue[])[]
    const cut = behind(String(oldest.at(-1)![0]))
    if (isBefore(cut, safe)) {
      safe = cut
      more = Number(surplus > count)
    }
  }
  const limits = limit === '' ? [] : ['LIMIT', limit]
  return [context.call('XTRIM', key, 'MINID', approximate === '1' ? '~' : '=', safe, ...limits), more]
}

/** The first entry that is not finished; undefined: there is no group. */
function safePoint(context: ScriptContext, key: string): string | undefined {
  let safe: string | undefined
  for (const info of context.call('XINFO', 'GROUPS', key) as readonly (readonly ScriptValue[])[]) {
    const valueOf = (name: string): ScriptValue => info[info.indexOf(name) + 1]!
    let least = behind(String(valueOf('last-delivered-id')))
    if (Number(valueOf('pending')) > 0) {
      const first = String((context.call('XPENDING', key, String(valueOf('name'))) as readonly ScriptValue[])[1])
      if (isBefore(first, least)) least = first
    }
    if (safe === undefined || isBefore(least, safe)) safe = least
  }
  return safe
}

function isBefore(a: string, b: string): boolean {
  const [aMs, aSeq] = parts(a)
  const [bMs, bSeq] = parts(b)
  return aMs === bMs ? aSeq < bSeq : aMs < bMs
}

function behind(id: string): string {
  const [ms, seq] = parts(id)
  return seq === SEQ_MAX ? id : `${ms}-${seq + 1n}`
}

function parts(id: string): readonly [bigint, bigint] {
  const [ms = '0', seq = '0'] = id.split('-')
  return [BigInt(ms), BigInt(seq)]
}
