/** A text that may still grow: cut into blocks, of which only the last is drawn again. */
import { useRef, type ReactNode } from 'react'
import { BlockSplitter } from '../blocks.ts'
import { CodeBlock } from './code-block.tsx'
import { MarkdownBlock } from './markdown.tsx'
import { SafeBlock } from './safe-block.tsx'

export function Prose({
  text,
  cuts,
  closed,
  openArticle,
}: {
  readonly text: string
  /** How often the text was cut back. */
  readonly cuts: number
  readonly closed: boolean
  readonly openArticle: (slug: string) => void
}): ReactNode {
  const splitter = useRef<BlockSplitter>(undefined)
  splitter.current ??= new BlockSplitter()
  return splitter.current.split(text, cuts, closed).map((block) => (
    <SafeBlock key={block.at} text={block.text}>
      {block.kind === 'fence' ? (
        <CodeBlock lang={block.lang} code={block.text} open={block.open} />
      ) : (
        <MarkdownBlock text={block.text} open={block.open} openArticle={openArticle} />
      )}
    </SafeBlock>
  ))
}
