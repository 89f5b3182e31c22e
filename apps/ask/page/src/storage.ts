/** The browser's own memory. A browser that refuses it (private windows, full disk) costs nothing but the memory. */

const PREFIX = 'millrace.ask.'

export function recall(key: string): unknown {
  try {
    const stored = localStorage.getItem(PREFIX + key)
    return stored === null ? undefined : (JSON.parse(stored) as unknown)
  } catch {
    // Refused, or written by somebody else: as if it had never been stored.
    return undefined
  }
}

export function remember(key: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + key)
    else localStorage.setItem(PREFIX + key, JSON.stringify(value))
  } catch {
    // Refused or full: the page works without.
  }
}
