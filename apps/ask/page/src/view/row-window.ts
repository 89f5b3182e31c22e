/**
 * Of many rows only those in sight are in the document:
 *
 *   ┌ before ┐  empty space of as many rows' height
 *   ├ rows   ┤  in sight, and a few more on both sides
 *   └ after  ┘  empty space
 *
 * The newest row stays in sight, unless the reader has scrolled away from it.
 */
import { useLayoutEffect, useRef, useState, type RefObject } from 'react'

export const ROW_PX = 26
const MARGIN_ROWS = 6
const NEAR_PX = 40

export interface RowWindow {
  readonly list: RefObject<HTMLElement | null>
  readonly from: number
  readonly to: number
}

export function useRowWindow(count: number, newest: string | undefined): RowWindow {
  const list = useRef<HTMLElement>(null)
  const pinned = useRef(true)
  const [sight, setSight] = useState({ top: Number.MAX_SAFE_INTEGER, height: 400 })
  useLayoutEffect(() => {
    const element = list.current
    if (element === null) return
    const look = (): void => {
      const { scrollTop, clientHeight, scrollHeight } = element
      pinned.current = scrollHeight - scrollTop - clientHeight < NEAR_PX
      const top = pinned.current ? Number.MAX_SAFE_INTEGER : Math.floor(scrollTop / ROW_PX) * ROW_PX
      setSight((before) =>
        before.top === top && before.height === clientHeight ? before : { top, height: clientHeight },
      )
    }
    const onResize = (): void => {
      if (pinned.current) element.scrollTop = element.scrollHeight
      look()
    }
    const observer = new ResizeObserver(onResize)
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [])
  useLayoutEffect(() => {
    if (list.current !== null && pinned.current) list.current.scrollTop = list.current.scrollHeight
  }, [count, newest])
  return { list, ...rangeInSight(count, sight.top, sight.height) }
}

/** Which rows are in sight, with a margin; `topPx` beyond the end means the end. */
export function rangeInSight(count: number, topPx: number, heightPx: number): { from: number; to: number } {
  const inSight = Math.ceil(heightPx / ROW_PX) + 2 * MARGIN_ROWS
  const from = Math.max(0, Math.min(Math.floor(topPx / ROW_PX) - MARGIN_ROWS, count - inSight))
  return { from, to: Math.min(count, from + inSight) }
}
