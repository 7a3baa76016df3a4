import { widthOf } from '../text.ts'

/** Widest line of a text of ours (see text.ts), instead of asking Unicode about every character on every frame. */
export const widestLine = (text: string): number => Math.max(0, ...text.split('\n').map(widthOf))

/** Ink's own remembers every text it has ever measured. */
export const measureText = (text: string): { width: number; height: number } =>
  text === '' ? { width: 0, height: 0 } : { width: widestLine(text), height: text.split('\n').length }
