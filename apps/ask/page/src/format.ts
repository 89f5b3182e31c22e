/** Numbers, sizes and times as people read them. */

const KB = 1024
const MB = KB * KB

export function formatBytes(bytes: number): string {
  if (bytes < KB) return `${Math.round(bytes)} B`
  if (bytes < 10 * KB) return `${(bytes / KB).toFixed(1)} KB`
  if (bytes < MB) return `${Math.round(bytes / KB)} KB`
  if (bytes < 1024 * MB) return `${(bytes / MB).toFixed(1)} MB`
  return `${(bytes / MB / 1024).toFixed(1)} GB`
}

/** 0.21, 3.40, 12.5, 125: three digits say enough. */
export function formatSeconds(ms: number): string {
  const s = ms / 1000
  return s < 10 ? s.toFixed(2) : s < 100 ? s.toFixed(1) : Math.round(s).toString()
}

export function formatAge(ms: number): string {
  if (ms < 1000) return ms < 500 ? 'now' : `${(ms / 1000).toFixed(1)} s`
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`
  return `${Math.floor(ms / 86_400_000)} d`
}

/** How long something still lasts: 23 h 59, 4 min, 12 s. */
export function formatLeft(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes >= 60 * 48) return `${Math.floor(minutes / 1440)} days`
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')}`
  return minutes >= 1 ? `${minutes} min` : `${Math.ceil(ms / 1000)} s`
}

/** A span in words: 24 hours, 7 days, 30 minutes. */
export function formatSpan(ms: number): string {
  const hours = Math.round(ms / 3_600_000)
  if (hours >= 48) return `${Math.round(hours / 24)} days`
  if (hours >= 1) return `${hours} ${hours === 1 ? 'hour' : 'hours'}`
  const minutes = Math.max(1, Math.round(ms / 60_000))
  return `${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`
}

export function formatRate(perSecond: number): string {
  return perSecond >= 10 || perSecond === 0 ? Math.round(perSecond).toString() : perSecond.toFixed(1)
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-GB')
}

/** …639213-0: the end of an ID, where the entries of one answer differ. */
export function shortId(id: string): string {
  const dash = id.indexOf('-')
  return dash > 6 ? `…${id.slice(dash - 6)}` : id
}

export function wordsIn(text: string): number {
  return text.match(/\S+/g)?.length ?? 0
}

export type Day = 'Today' | 'Yesterday' | 'Earlier'

/** By the reader's own calendar. */
export function dayOf(atMs: number, nowMs: number): Day {
  const midnight = new Date(nowMs)
  midnight.setHours(0, 0, 0, 0)
  if (atMs >= midnight.getTime()) return 'Today'
  midnight.setDate(midnight.getDate() - 1)
  return atMs >= midnight.getTime() ? 'Yesterday' : 'Earlier'
}
