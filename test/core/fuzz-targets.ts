/** Every decoder of what comes from outside. */
import type { Target } from './fuzz'
import { coreTargets } from './fuzz-core'
import { natsTargets } from './fuzz-nats'
import { redisTargets } from './fuzz-redis'

export const targets: readonly (() => Target)[] = [...coreTargets, ...redisTargets, ...natsTargets]
