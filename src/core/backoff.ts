/** No try is later than this after the one before (ms). */
export const longestBackoff = 2000

/** How long to wait (ms) after so many failures in a row: `first`, then twice that each time, up to the longest; less up to a half, by chance. */
export const backoff = (first: number, failures: number): number =>
  Math.min(longestBackoff, first * 2 ** failures) * (0.5 + Math.random() / 2)
