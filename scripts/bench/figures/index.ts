import type { Figure } from '../support/figure'
import { p13 } from './building'
import { p3 } from './latency'
import { p5 } from './loading'
import { p12 } from './lone'
import { p7, p8 } from './memory'
import { p11 } from './others'
import { p4, p10 } from './reading'
import { p6 } from './returning'
import { p1, p2, p9 } from './throughput'

export const figures: readonly Figure[] = [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13]
