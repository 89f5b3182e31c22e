/** Tokens per second over the answer, by uPlot. Decoration: the figure itself stands beside the answer. */
import { useEffect, useRef, type ReactNode } from 'react'
import uPlot from 'uplot'
import type { RatePoint } from '../rate.ts'

const HEIGHT = 44

export function Sparkline({ points }: { readonly points: readonly RatePoint[] }): ReactNode {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const isEmpty = points.length < 2
  useEffect(() => {
    const element = place.current
    if (element === null || isEmpty) return
    plot.current = draw(element)
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [isEmpty])
  useEffect(() => {
    plot.current?.setData([points.map((each) => each.atS), points.map((each) => each.tokensPerSecond)])
  }, [points, isEmpty])
  const peak = points.reduce((most, each) => Math.max(most, each.tokensPerSecond), 0)
  // Its place is kept, so that the entries below don't move when it appears.
  return (
    <figure className={`mt-3 ${isEmpty ? 'invisible' : ''}`}>
      <div ref={place} className="h-11" aria-hidden="true" />
      <figcaption className="mt-0.5 flex justify-between text-[11.5px] text-faint tabular-nums">
        <span>tokens/s, estimated</span>
        <span>peak {Math.round(peak)}</span>
      </figcaption>
    </figure>
  )
}

function draw(element: HTMLElement): uPlot {
  return new uPlot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      select: { show: false, left: 0, top: 0, width: 0, height: 0 },
      padding: [3, 0, 3, 0],
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: false }, y: { range: (_plot, _min, max) => [0, Math.max(max, 1)] } },
      series: [{}, { stroke: '#ff4438', width: 1.5, fill: 'rgb(255 68 56 / 0.12)', points: { show: false } }],
    },
    [[], []],
    element,
  )
}
