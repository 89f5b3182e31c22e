/**
 * How the page is built: into dist/, which the application's server sends under a policy without inline script
 * and without data: fonts. So nothing is inlined.
 */
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defaultClientConditions, defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  // Workspace packages come from their source, without a build.
  resolve: { conditions: ['@millrace/source', ...defaultClientConditions] },
  plugins: [react(), tailwindcss()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
})
