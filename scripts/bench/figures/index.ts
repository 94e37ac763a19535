import type { Figure } from '../support/figure'
import { p3 } from './latency'
import { p5 } from './loading'
import { p4, p10 } from './reading'
import { p1, p2, p9 } from './throughput'

export const figures: readonly Figure[] = [p1, p2, p3, p4, p5, p9, p10]
