/** Light, dark, or as the system says. The style sheet does the rest: `color-scheme` and `light-dark()`. */
import { recall, remember } from './storage.ts'

export type Theme = 'system' | 'light' | 'dark'

const NEXT: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' }

export function recallTheme(): Theme {
  const stored = recall('theme')
  return stored === 'light' || stored === 'dark' ? stored : 'system'
}

export function nextTheme(theme: Theme): Theme {
  return NEXT[theme]
}

export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
  remember('theme', theme === 'system' ? undefined : theme)
}
