/** A block that can't be drawn is shown as it was written; the rest of the page goes on. */
import { Component, type ReactNode } from 'react'

interface SafeBlockProps {
  /** What was written. When it changes, drawing it is tried again. */
  readonly text: string
  readonly children: ReactNode
}

export class SafeBlock extends Component<SafeBlockProps, { readonly failedAt: string | undefined }> {
  override readonly state: { readonly failedAt: string | undefined } = { failedAt: undefined }

  static getDerivedStateFromError(): { failedAt: string } {
    return { failedAt: '' }
  }

  override componentDidCatch(): void {
    this.setState({ failedAt: this.props.text })
  }

  override componentDidUpdate(): void {
    const { failedAt } = this.state
    if (failedAt !== undefined && failedAt !== '' && failedAt !== this.props.text)
      this.setState({ failedAt: undefined })
  }

  override render(): ReactNode {
    const { text, children } = this.props
    return this.state.failedAt === undefined ? children : <p className="whitespace-pre-wrap">{text}</p>
  }
}
