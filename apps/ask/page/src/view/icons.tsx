/** The page's few icons, drawn here: 24 units square, in the colour of the text around them. */
import type { ReactNode } from 'react'

function Icon({ children, size = 18 }: { readonly children: ReactNode; readonly size?: number }): ReactNode {
  return (
    <svg
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth={2}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  )
}

/** A mill wheel over water. */
export function Mark({ size = 24 }: { readonly size?: number }): ReactNode {
  return (
    <svg
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill="none"
      stroke="#ff4438"
      strokeWidth={1.9}
      strokeLinecap="round"
      aria-hidden="true"
    >
      <circle cx="12" cy="12" r="7.2" />
      <path d="M12 4.8v14.4M4.8 12h14.4M6.9 6.9l10.2 10.2M17.1 6.9 6.9 17.1" strokeWidth={1.1} />
      <path d="M1.5 21.6c1.7-1.3 3.5-1.3 5.2 0s3.5 1.3 5.2 0 3.5-1.3 5.2 0 3.5 1.3 5.2 0" />
    </svg>
  )
}

export function SearchIcon(): ReactNode {
  return (
    <Icon>
      <circle cx="11" cy="11" r="6.5" />
      <path d="m20 20-4.2-4.2" />
    </Icon>
  )
}

export function MenuIcon(): ReactNode {
  return (
    <Icon>
      <path d="M4 7h16M4 12h16M4 17h10" />
    </Icon>
  )
}

export function StreamIcon(): ReactNode {
  return (
    <Icon>
      <path d="M4 6h9M4 12h16M4 18h12" />
      <circle cx="18" cy="6" r="1.5" fill="currentColor" />
    </Icon>
  )
}

export function CloseIcon(): ReactNode {
  return (
    <Icon>
      <path d="m6 6 12 12M18 6 6 18" />
    </Icon>
  )
}

export function CopyIcon(): ReactNode {
  return (
    <Icon size={14}>
      <rect x="9" y="9" width="11" height="11" rx="2.5" />
      <path d="M15 5.5A1.5 1.5 0 0 0 13.5 4h-8A1.5 1.5 0 0 0 4 5.500v8A1.5 1.5 0 0 0 5.5 15" />
    </Icon>
  )
}

export function AgainIcon(): ReactNode {
  return (
    <Icon size={14}>
      <path d="M4 12a8 8 0 1 0 2.6-5.900L4 8.5" />
      <path d="M4 4v4.500h4.5" />
    </Icon>
  )
}

export function CheckIcon(): ReactNode {
  return (
    <Icon size={14}>
      <path d="m5 12.5 4.5 4.500L19 7.5" />
    </Icon>
  )
}

export function DownIcon(): ReactNode {
  return (
    <Icon size={15}>
      <path d="M12 5v14M6 13l6 6 6-6" />
    </Icon>
  )
}

export function ThemeIcon({ theme }: { readonly theme: 'system' | 'light' | 'dark' }): ReactNode {
  if (theme === 'dark') {
    return (
      <Icon>
        <path d="M20 14.500A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.500Z" />
      </Icon>
    )
  }
  if (theme === 'light') {
    return (
      <Icon>
        <circle cx="12" cy="12" r="4" />
        <path d="M12 3v1.500M12 19.500V21M3 12h1.500M19.5 12H21M5.6 5.600l1.1 1.100M17.3 17.300l1.1 1.100M5.6 18.400l1.1-1.100M17.3 6.700l1.1-1.1" />
      </Icon>
    )
  }
  return (
    <Icon>
      <circle cx="12" cy="12" r="8" />
      <path d="M12 4a8 8 0 0 1 0 16Z" fill="currentColor" />
    </Icon>
  )
}
